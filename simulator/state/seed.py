"""The state of a new cluster, from its configuration."""

import random
import uuid

from simulator.access.directory import Directory, Token, User
from simulator.access.privileges import PROVISIONER, PROVISIONER_ROLE
from simulator.config import SimConfig, SimGpu, SimNode, SimTemplate
from simulator.gpu_models import GPU_MODELS, NVIDIA
from simulator.state.cluster import Cluster, ResourcePool
from simulator.state.mappings import Mapping
from simulator.state.nodes import Node, PciDevice
from simulator.state.vms import GIB, MIB, GuestDisk, Vm
from simulator.state.volumes import Storage, Volume

_HOST_BRIDGE = PciDevice(
    "0000:00:00.0", "0x1022", "0x14a4", "0x060000", "Genoa/Bergamo Root Complex", "0x1022", "0x14a4", 0
)
_NETWORK_CARD = PciDevice(
    "0000:c1:00.0", "0x14e4", "0x1750", "0x020000", "BCM57508 NetXtreme-E", "0x14e4", "0x2100", 90
)


def new_cluster(config: SimConfig, now: float, rng: random.Random) -> Cluster:
    """Nodes, cards, mappings, storages, templates, and one provisioner with a token."""
    cluster = Cluster(config.cluster, _directory(config, rng))
    for storage in config.storages:
        cluster.storages[storage.name] = Storage(
            storage.name,
            storage.kind,
            storage.size_gb * 10**9,
            tuple(storage.content.split(",")),
            storage.shared,
            path="/var/lib/vz" if storage.name == "local" else f"/mnt/pve/{storage.name}",
        )
    cluster.files = {path: mib * MIB for path, mib in config.import_files}
    cluster.pools[config.pool] = ResourcePool(config.pool)
    for plan in config.nodes:
        _add_node(cluster, config, plan, now, rng)
    return cluster


def _random_uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _directory(config: SimConfig, rng: random.Random) -> Directory:
    directory = Directory()
    secret, password = _random_uuid(rng), _random_uuid(rng)
    directory.users["root@pam"].password = config.root_password or password
    directory.users[config.user] = User(
        tokens={config.token: Token(config.token_secret or secret, separated=False)}
    )
    directory.roles[PROVISIONER_ROLE] = PROVISIONER
    directory.roles["InnkeeperNodes"] = frozenset({"Sys.Audit"})
    for path, role in (
        ("/", "InnkeeperNodes"),
        (f"/pool/{config.pool}", PROVISIONER_ROLE),
        ("/storage", "PVEDatastoreUser"),
        ("/sdn/zones/localnetwork", "PVESDNUser"),
        ("/mapping/pci", "PVEMappingUser"),
    ):
        directory.grant(path, config.user, role)
    return directory


def _add_node(cluster: Cluster, config: SimConfig, plan: SimNode, now: float, rng: random.Random) -> None:
    node = Node(plan.name, plan.address, plan.cores, plan.ram_gib, list(plan.bridges), booted_at=now - 86400)
    cluster.nodes[node.name] = node
    for device in (_HOST_BRIDGE, _NETWORK_CARD):
        node.devices[device.address] = PciDevice(**vars(device))
    for gpu in plan.gpus:
        _add_gpu(cluster, node, gpu)
    for template in plan.templates:
        _add_template(cluster, config, node, template, now, rng)


def _add_gpu(cluster: Cluster, node: Node, gpu: SimGpu) -> None:
    model = GPU_MODELS[gpu.model]
    functions = [(model.device, model.pci_class, model.device_name, model.product)]
    if model.audio_device:
        functions.append((model.audio_device, "0x040300", "High Definition Audio Controller", ""))
    for number, (device, pci_class, name, product) in enumerate(functions):
        address = f"{gpu.address}.{number}"
        node.devices[address] = PciDevice(
            address, NVIDIA, device, pci_class, name, NVIDIA, model.subsystem, gpu.iommu_group, product
        )
    entry = (
        f"id={NVIDIA[2:]}:{model.device[2:]},iommugroup={gpu.iommu_group},node={node.name},"
        f"path={gpu.address},subsystem-id={NVIDIA[2:]}:{model.subsystem[2:]}"
    )
    cluster.mappings.setdefault(gpu.mapping, Mapping(gpu.mapping, [])).entries.append(entry)


def _add_template(
    cluster: Cluster, config: SimConfig, node: Node, plan: SimTemplate, now: float, rng: random.Random
) -> None:
    ctime = int(now) - 3600
    store = cluster.store(plan.storage, node.name)
    layout = store.storage.layout
    image_format = "qcow2" if layout.folders else layout.formats[0]

    def add(name: str, size: int) -> str:
        volid = f"{plan.storage}:{name}"
        store.volumes[volid] = Volume(volid, plan.vmid, size, size, image_format, ctime)
        return volid

    efi = add(layout.base_name(layout.name(plan.vmid, "disk-0", image_format)), 4 * MIB)
    root = add(layout.base_name(layout.name(plan.vmid, "disk-1", image_format)), plan.disk_gib * GIB)
    cloudinit = add(layout.name(plan.vmid, "cloudinit", image_format), 4 * MIB)
    mac = ":".join(f"{rng.randrange(256):02X}" for _ in range(3))
    cluster.vms[plan.vmid] = Vm(
        plan.vmid,
        node.name,
        {
            "agent": "enabled=1",
            "balloon": "0",
            "bios": "ovmf",
            "boot": "order=scsi0",
            "cores": "4",
            "cpu": "host",
            "efidisk0": f"{efi},efitype=4m,size=4M",
            "ide2": f"{cloudinit},media=cdrom",
            "machine": "q35",
            "memory": "4096",
            "meta": f"creation-qemu=11.0.0,ctime={ctime}",
            "name": plan.name,
            "net0": f"virtio={cluster.mac_prefix}:{mac},bridge={node.bridges[0]}",
            "ostype": "l26",
            "scsi0": f"{root},discard=on,size={plan.disk_gib}G",
            "scsihw": "virtio-scsi-single",
            "serial0": "socket",
            "smbios1": f"uuid={_random_uuid(rng)}",
            "tags": "template",
            "template": "1",
            "vga": "serial0",
            "vmgenid": _random_uuid(rng),
        },
        disk=GuestDisk(plan.image, plan.password_login),
    )
    cluster.pools[config.pool].vms.add(plan.vmid)
