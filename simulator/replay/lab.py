"""The simulator that a recording is played against, brought into the state that the recording began with."""

import json
import re
from typing import Any

from simulator.access.directory import Token, User
from simulator.access.privileges import ROLES
from simulator.config import SimConfig, SimNode, SimStorage, Timing
from simulator.guests import cloudinit
from simulator.machines.disks import parse_size
from simulator.machines.start import power_on
from simulator.machines.stop import power_off
from simulator.replay.evidence import Before
from simulator.replay.transcripts import Exchange, Transcript, requests_of
from simulator.server import Server
from simulator.state.mappings import Mapping
from simulator.state.nodes import PciDevice
from simulator.state.vms import MIB, GuestDisk, Vm
from simulator.state.volumes import Volume

IMPORT_SIZE_MIB = 1600
USUAL_RIGHTS = (
    ("/", "PVEVMAdmin"),
    ("/storage", "PVEDatastoreUser"),
    ("/sdn/zones/localnetwork", "PVESDNUser"),
    ("/mapping/pci", "PVEMappingUser"),
)
"""What a token has that appears in a recording without having been made there."""

_NODE = re.compile(r"^/nodes/([^/]+)")
_TOKEN = re.compile(r"^token ([^!]+)!(.+)$")
_IMPORT = re.compile(r"import-from=([^,]+)")


def configuration(transcripts: list[Transcript]) -> SimConfig:
    """Nodes, storages and images as the recording shows them."""
    exchanges = list(requests_of(transcripts))
    found = (_NODE.match(e.path) for e in exchanges if e.status == 200)
    names = sorted({match[1] for match in found if match} - {"localhost"}) or ["pve1"]
    cores = _first(r"MAX (\d+) vcpus allowed", exchanges) or _first(
        r"\"user_hz\".*\"cpus\": (\d+)", exchanges
    )
    images = {path for e in exchanges for path in _IMPORT.findall(json.dumps(e.parameters))}
    refused = {
        path for path in images if any(f"can't find file '{path}'" in json.dumps(e.body) for e in exchanges)
    }
    return SimConfig(
        nodes=tuple(
            SimNode(name, f"10.99.0.{number}", cores or 4, 24) for number, name in enumerate(names, start=1)
        ),
        storages=(SimStorage("local", "dir", 270, "iso,vztmpl,images,snippets,rootdir,backup"),),
        import_files=tuple((path, IMPORT_SIZE_MIB) for path in sorted(images - refused)),
        # The recording's guests were emulated and took half a minute to boot.
        timing=Timing(agent=20, boot=25, copy_mib_per_second=1500, fork=0.04, allocate=0.1),
        tls=False,
    )


def _first(pattern: str, exchanges: list[Exchange]) -> int | None:
    for exchange in exchanges:
        match = re.search(pattern, json.dumps(exchange.body))
        if match:
            return int(match[1])
    return None


def add_missing_tokens(server: Server, transcripts: list[Transcript]) -> None:
    """Give the usual rights to every token that the recording uses and never makes."""
    exchanges = list(requests_of(transcripts))
    server.cluster.directory.entries.clear()
    made = {f"{match[1]}!{match[2]}" for e in exchanges if (match := _made_token(e))}
    directory = server.cluster.directory
    refused = json.dumps([e.reason for e in exchanges if e.status == 403])
    rights = [(path, role) for path, role in USUAL_RIGHTS if not any(p in refused for p in ROLES[role])]
    for exchange in exchanges:
        match = _TOKEN.match(exchange.auth)
        if match is None or exchange.status == 401 or f"{match[1]}!{match[2]}" in made:
            continue
        user = directory.users.setdefault(match[1], User())
        if match[2] not in user.tokens:
            user.tokens[match[2]] = Token(server.world.new_uuid(), separated=False)
            for path, role in rights:
                directory.grant(path, match[1], role)


def _made_token(exchange: Exchange) -> re.Match[str] | None:
    return (
        re.match(r"^/access/users/([^/]+)/token/(.+)$", exchange.path) if exchange.method == "POST" else None
    )


def prepare(server: Server, before: Before) -> None:
    """Bring the simulator into the state before a file."""
    homeless = [vmid for vmid, vm in server.cluster.vms.items() if vm.node not in server.cluster.nodes]
    for vmid in (*before.gone_vms, *homeless):
        _remove_vm(server, vmid)
    for name in before.gone_mappings:
        server.cluster.mappings.pop(name, None)
    if before.devices is not None:
        _set_devices(server, before.devices)
    for name, mapping in before.mappings.items():
        entries = list(mapping["map"])
        server.cluster.mappings[name] = Mapping(name, entries, mapping.get("description", ""))
    for vmid, config in before.vms.items():
        _add_vm(server, vmid, config, runs=vmid in before.running)
    for vmid, node in before.elsewhere.items():
        server.cluster.vms[vmid] = Vm(vmid, node)
    server.world.broadcast.refresh()


def _remove_vm(server: Server, vmid: int) -> None:
    vm = server.cluster.vms.get(vmid)
    if vm is None:
        return
    if vm.running:
        power_off(server.world, vm)
    for store in server.cluster.stores.values():
        for volume in store.of_vm(vmid):
            del store.volumes[volume.volid]
    del server.cluster.vms[vmid]


def _set_devices(server: Server, lines: list[dict[str, Any]]) -> None:
    node = server.cluster.entry_node
    node.devices = {
        line["id"]: PciDevice(
            line["id"],
            line["vendor"],
            line["device"],
            line["class"],
            line.get("device_name", ""),
            line.get("subsystem_vendor", "0x0000"),
            line.get("subsystem_device", "0x0000"),
            int(line["iommugroup"]),
        )
        for line in lines
    }


def _add_vm(server: Server, vmid: int, shown: dict[str, Any], *, runs: bool) -> None:
    cluster, node = server.cluster, server.cluster.entry_node
    config = {option: str(value) for option, value in shown.items() if option not in ("digest", "lock")}
    vm = cluster.vms[vmid] = Vm(vmid, node.name, config, disk=GuestDisk("debian-12"))
    for drive in vm.drives().values():
        volid = drive["file"]
        storage, colon, name = volid.partition(":")
        if not colon or storage not in cluster.storages:
            continue
        size = parse_size(drive["size"]) if "size" in drive else 4 * MIB
        base, _, own = name.rpartition("/base-")[-1], "", name
        parent = f"{storage}:{'/'.join(own.split('/')[:2])}" if own.count("/") > 1 else None
        image_format = own.rpartition(".")[2] if "." in base else "raw"
        store = cluster.store(storage, node.name)
        store.volumes[volid] = Volume(volid, vmid, size, size // 3, image_format, 0, parent)
    vm.iso = cloudinit.image_options(vm)
    if runs:
        cloudinit.boot(vm)
        power_on(server.world, vm, node, [])
        server.world.guests.power_off(vmid)
        server.world.guests.power_on(vm, at_once=True)
