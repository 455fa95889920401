"""Virtual machines: their configuration, their running process, and what their disk remembers."""

from dataclasses import dataclass, field

from simulator.schema.properties import parse_pairs
from simulator.schema.vm_options import is_drive

MIB = 1024**2
GIB = 1024**3


@dataclass
class GuestUser:
    """A login inside the guest as cloud-init made it."""

    password_hash: str = ""
    keys: list[str] = field(default_factory=list)


@dataclass
class GuestDisk:
    """What the boot disk of a guest holds; it is copied with the disk."""

    image: str = "ubuntu-24.04"
    password_login: bool = True
    instance_id: str = ""
    """The instance that cloud-init ran for last; empty on a disk that never booted."""
    hostname: str = ""
    users: dict[str, GuestUser] = field(default_factory=dict)
    host_key: str = ""
    """The SSH server's private key in OpenSSH form."""
    files: dict[str, str] = field(default_factory=dict)


@dataclass
class Running:
    """A QEMU process."""

    pid: int
    since: float
    address: str | None
    """The guest's IPv4 address."""
    paused: bool = False
    devices: list[str] = field(default_factory=list)
    """Host PCI functions that are passed through."""


@dataclass
class Snapshot:
    """A snapshot: the configuration of its moment."""

    config: dict[str, str]
    created: int
    parent: str = ""
    description: str = ""


@dataclass
class Vm:
    """One VM. All option values are text, as in the file under /etc/pve."""

    vmid: int
    node: str
    config: dict[str, str] = field(default_factory=dict)
    pending: dict[str, str] = field(default_factory=dict)
    pending_delete: list[str] = field(default_factory=list)
    iso: dict[str, str] = field(default_factory=dict)
    """The cloud-init options that the present image was made from."""
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    current_snapshot: str = ""
    disk: GuestDisk = field(default_factory=GuestDisk)
    running: Running | None = None

    @property
    def name(self) -> str:
        return self.config.get("name", f"VM {self.vmid}")

    @property
    def is_template(self) -> bool:
        return self.config.get("template") == "1"

    @property
    def lock(self) -> str | None:
        return self.config.get("lock")

    @property
    def agent_enabled(self) -> bool:
        return parse_pairs(self.config.get("agent", "0"), "enabled").get("enabled") == "1"

    @property
    def memory_mib(self) -> int:
        return int(parse_pairs(self.config.get("memory", "512"), "current").get("current", "512"))

    @property
    def vcpus(self) -> int:
        return int(self.config.get("cores", "1")) * int(self.config.get("sockets", "1"))

    def drives(self) -> dict[str, dict[str, str]]:
        """Disks and CD drives by option, in PVE's order (sorted), each as its parsed property string."""
        return {
            option: parse_pairs(self.config[option], "file")
            for option in sorted(self.config)
            if is_drive(option)
        }

    def passthrough(self) -> dict[str, dict[str, str]]:
        """The hostpci options."""
        return {
            option: parse_pairs(self.config[option], "host")
            for option in sorted(self.config)
            if option.startswith("hostpci")
        }

    def networks(self) -> dict[str, dict[str, str]]:
        """The network cards."""
        return {
            option: parse_pairs(value, "model")
            for option, value in sorted(self.config.items())
            if option.startswith("net") and option[3:].isdigit()
        }

    def merged_config(self) -> dict[str, str]:
        """The configuration after the next full stop and start."""
        merged = {option: value for option, value in self.config.items() if option not in self.pending_delete}
        return merged | self.pending
