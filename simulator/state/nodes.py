"""Hosts and their PCI devices."""

from dataclasses import dataclass, field

from simulator.state.vms import GIB


@dataclass
class PciDevice:
    """One PCI function. Ids are written `0x10de`, addresses `0000:41:00.0`."""

    address: str
    vendor: str
    device: str
    pci_class: str
    device_name: str
    subsystem_vendor: str
    subsystem_device: str
    iommu_group: int
    product: str = ""
    """What nvidia-smi in a guest calls it; empty for what is no GPU."""
    missing: bool = False
    """Fell off the bus."""
    dead: bool = False
    """Does not come back from a reset; only a reboot of the node helps."""

    @property
    def slot(self) -> str:
        return self.address.rsplit(".", 1)[0]


@dataclass
class Reservation:
    """A node's note of who has a PCI function; it lives in /run and is gone after a reboot."""

    vmid: int
    pid: int | None
    """The QEMU process, once it runs; until then the reservation ends at `expires`."""
    expires: float = 0


@dataclass
class Node:
    """One Proxmox VE host."""

    name: str
    address: str
    cores: int
    ram_gib: int
    bridges: list[str] = field(default_factory=list)
    devices: dict[str, PciDevice] = field(default_factory=dict)
    reservations: dict[str, Reservation] = field(default_factory=dict)
    booted_at: float = 0
    online: bool = True
    clock_skew: float = 0
    """Seconds that this node's clock is ahead."""
    next_pid: int = 1000

    @property
    def memory(self) -> int:
        return self.ram_gib * GIB

    def functions(self, path: str) -> list[PciDevice]:
        """The functions of a device path; `0000:41:00` means all of that slot."""
        return [
            device
            for device in self.devices.values()
            if not device.missing and (device.address == path or device.slot == path)
        ]

    def new_pid(self) -> int:
        """A process id that no other process of this node has had."""
        self.next_pid += 3
        return self.next_pid
