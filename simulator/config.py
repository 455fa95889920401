"""What a simulated cluster consists of: plain data, fixed before it starts."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SimGpu:
    """One passthrough card: a PCI device with all its functions, and the PCI mapping that names it."""

    model: str
    address: str
    """Domain, bus and slot without a function: `0000:41:00`."""
    iommu_group: int
    numa_node: int
    mapping: str


@dataclass(frozen=True)
class SimTemplate:
    """A cloud-init template. `image` is what its disk holds: see `simulator.guests.images`."""

    vmid: int
    name: str
    image: str = "ubuntu-24.04"
    disk_gib: int = 10
    storage: str = "local-zfs"
    password_login: bool = True


@dataclass(frozen=True)
class SimStorage:
    """A storage as /etc/pve/storage.cfg defines it; local ones exist once per node."""

    name: str
    kind: str = "zfspool"
    """zfspool, lvmthin or dir: decides volume names, formats and what a full one says."""
    size_gb: int = 4000
    content: str = "images,rootdir"
    shared: bool = False


@dataclass(frozen=True)
class SimNode:
    """One Proxmox VE host."""

    name: str
    address: str
    cores: int = 64
    ram_gib: int = 512
    gpus: tuple[SimGpu, ...] = ()
    templates: tuple[SimTemplate, ...] = ()
    bridges: tuple[str, ...] = ("vmbr0",)


@dataclass(frozen=True)
class Timing:
    """Simulated seconds; `time_scale` turns them into wall seconds."""

    agent: float = 20
    """From QEMU's start until the guest agent answers."""
    boot: float = 30
    """From QEMU's start until the guest's SSH server listens."""
    shutdown: float = 4
    """From the request until a guest that has booted is down."""
    fork: float = 0.2
    """From the answer with the UPID until the worker does anything."""
    start: float = 1.5
    """QEMU's own start, before any memory is pinned."""
    pin_per_gib: float = 1.0
    """Pinning guest memory for passthrough: 2 to 3.5 s/GiB on older kernels, far less on recent ones."""
    allocate: float = 0.4
    """Making one volume, under the storage's lock."""
    copy_mib_per_second: float = 500
    broadcast: float = 10
    """pvestatd's period: how old names and states in /cluster/resources may be."""
    failed_login: float = 3
    """Delay of every HTTP 401."""
    agent_poll: float = 3
    """How long a call to a silent guest agent blocks."""


@dataclass(frozen=True)
class SimConfig:
    """One simulated cluster and how it is served."""

    nodes: tuple[SimNode, ...]
    storages: tuple[SimStorage, ...] = (
        SimStorage("local", "dir", 100, "iso,vztmpl,backup,import,snippets"),
        SimStorage("local-zfs", "zfspool", 4000),
    )
    import_files: tuple[tuple[str, int], ...] = (("local:import/ubuntu-24.04.qcow2", 3584),)
    """Images that new disks can be imported from, with their virtual sizes in MiB."""
    cluster: str = "sim"
    pool: str = "innkeeper"
    user: str = "innkeeper@pve"
    token: str = "orchestrator"  # noqa: S105 - the token's name, not its secret
    token_secret: str = ""
    """Drawn from the seed when empty."""
    root_password: str = ""
    """Drawn from the seed when empty."""
    seed: int = 1
    time_scale: float = 1.0
    """Wall seconds per simulated second: 1 is real time, 0 is instant."""
    timing: Timing = field(default_factory=Timing)
    latency_ms: float = 0
    """Wall milliseconds added to every answer."""
    host: str = "127.0.0.1"
    port: int = 0
    """0 picks a free one."""
    tls: bool = True
    ssh_port: int = 0
    """The port of every guest's SSH server; 0 means 22 where that may be bound, else a free one."""
    guest_network: str = "127.64.0.0/10"
    """Where guests without a static address get theirs."""
    state_file: str | None = None
