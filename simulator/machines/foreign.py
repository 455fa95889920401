"""What others do behind a provisioner's back."""

from collections.abc import Sequence

from simulator.machines.stop import power_off
from simulator.state.nodes import Node, PciDevice, Reservation
from simulator.state.vms import Running, Vm
from simulator.world import World


def make(
    world: World,
    node: str,
    vmid: int,
    name: str = "foreign",
    description: str = "",
    memory_mib: int = 1024,
    running: bool = False,
    gpus: Sequence[str] = (),
) -> None:
    """A VM made by hand, with or without cards (PCI slots or mapping ids)."""
    if vmid in world.cluster.vms:
        raise ValueError(f"VM {vmid} exists")
    host = world.cluster.nodes[node]
    config = {"name": name, "memory": str(memory_mib), "cores": "1"}
    if description:
        config["description"] = description
    for number, gpu in enumerate(gpus):
        config[f"hostpci{number}"] = f"mapping={gpu}" if gpu in world.cluster.mappings else gpu
    vm = world.cluster.vms[vmid] = Vm(vmid, node, config)
    if not running:
        return
    functions = [function for gpu in gpus for function in _functions(world, host, gpu)]
    vm.running = Running(
        host.new_pid(), world.clock.now(), None, devices=[function.address for function in functions]
    )
    for function in functions:
        host.reservations[function.address] = Reservation(vmid, vm.running.pid)


def _functions(world: World, node: Node, gpu: str) -> list[PciDevice]:
    if gpu not in world.cluster.mappings:
        return node.functions(gpu)
    entries = world.cluster.mappings[gpu].of_node(node.name)
    return node.functions(entries[0]["path"]) if entries else []


def move(world: World, vmid: int, node: str) -> None:
    """Another node has the configuration now; a running VM stops on the way."""
    vm = world.cluster.vms[vmid]
    if vm.running:
        power_off(world, vm)
    vm.node = node


def set_lock(world: World, vmid: int, lock: str | None) -> None:
    """Write or take out the lock of a configuration."""
    config = world.cluster.vms[vmid].config
    if lock is None:
        config.pop("lock", None)
    else:
        config["lock"] = lock


def set_gpu(world: World, node: str, slot: str, missing: bool | None, dead: bool | None) -> None:
    """Change the state of a card."""
    for device in world.cluster.nodes[node].devices.values():
        if device.slot == slot:
            device.missing = device.missing if missing is None else missing
            device.dead = device.dead if dead is None else dead
