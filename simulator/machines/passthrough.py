"""Which PCI functions a VM gets at its start, and the node's record of who has them.

A conflict shows only here: any number of configurations may name the same card.
"""

from simulator.errors import PveError
from simulator.state.cluster import Cluster
from simulator.state.mappings import alternatives
from simulator.state.nodes import Node, PciDevice, Reservation
from simulator.state.vms import Vm
from simulator.tasks.task import Job

NO_Q35 = "q35 machine model is not enabled at /usr/share/perl5/PVE/QemuServer/PCI.pm line 510."

NO_IOMMU = "cannot prepare PCI pass-through, IOMMU not present"


def choose(cluster: Cluster, vm: Vm, node: Node, job: Job) -> list[PciDevice]:
    """The functions for all hostpci options of a VM."""
    chosen: list[PciDevice] = []
    for option, device in vm.passthrough().items():
        try:
            offers = _offers(cluster, device, node)
        except PveError as error:
            job.log(str(error))  # PVE prints these twice
            raise
        if len(offers) > 1:
            free = (offer for offer in offers if _is_free(cluster, vm, node, offer, chosen))
            functions = next(free, None)
            if functions is None:
                raise PveError(f"could not find a free device for '{option}'")
        else:
            functions = offers[0]
        for function in functions:
            if function in chosen:
                raise PveError(f"device '{function.address}' assigned more than once")
        chosen += functions
    return chosen


def _offers(cluster: Cluster, device: dict[str, str], node: Node) -> list[list[PciDevice]]:
    if "mapping" in device:
        return alternatives(cluster.mappings.get(device["mapping"]), device["mapping"], node)
    functions: list[PciDevice] = []
    for path in device.get("host", "").split(";"):
        found = node.functions(path if path.count(":") == 2 else f"0000:{path}")
        if not found:
            raise PveError(f"no PCI device found for '{path}'")
        functions += found
    return [functions]


def _holder(cluster: Cluster, node: Node, address: str) -> Reservation | None:
    """The reservation of a function, if the VM behind it is really there."""
    reservation = node.reservations.get(address)
    if reservation is None or reservation.pid is None:
        return reservation
    vm = cluster.vms.get(reservation.vmid)
    alive = vm is not None and vm.running is not None and vm.running.pid == reservation.pid
    return reservation if alive else None


def _is_free(
    cluster: Cluster, vm: Vm, node: Node, functions: list[PciDevice], chosen: list[PciDevice]
) -> bool:
    holders = [_holder(cluster, node, function.address) for function in functions]
    return not any(function in chosen for function in functions) and all(
        holder is None or holder.vmid == vm.vmid for holder in holders
    )


def reserve(
    cluster: Cluster, vm: Vm, node: Node, functions: list[PciDevice], now: float, expires: float, job: Job
) -> None:
    """Write the functions down for a VM that is about to start."""
    for function in functions:
        address = function.address
        noted = node.reservations.get(address)
        holder = _holder(cluster, node, address)
        if holder is not None and holder.vmid != vm.vmid:
            if holder.pid is not None:
                raise PveError(f"PCI device '{address}' already in use by VMID '{holder.vmid}'")
            if holder.expires > now:
                raise PveError(
                    f"PCI device '{address}' is currently reserved for use by VMID '{holder.vmid}'"
                )
        if noted is not None and noted.vmid != vm.vmid:
            job.log(f"leftover PCI reservation found for {address}, lets take it...")
    for function in functions:
        node.reservations[function.address] = Reservation(vm.vmid, None, expires)
    no_iommu = any(function.iommu_group < 0 for function in functions)
    if any("mdev" in device for device in vm.passthrough().values()):
        if no_iommu:
            job.log(NO_IOMMU)
        raise PveError("could not create mediated device")
    if no_iommu:
        raise PveError(NO_IOMMU)


def release(node: Node, vmid: int) -> None:
    """Forget what a VM had."""
    node.reservations = {
        address: reservation for address, reservation in node.reservations.items() if reservation.vmid != vmid
    }


def check_options(vm: Vm) -> None:
    """What QEMU's command line cannot express."""
    machine = vm.config.get("machine", "")
    for device in vm.passthrough().values():
        if device.get("pcie") == "1" and "q35" not in machine:
            raise PveError(NO_Q35)
