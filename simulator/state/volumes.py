"""Disk images and the storages that hold them."""

from dataclasses import dataclass, field


@dataclass
class Volume:
    """One disk image. Sizes are bytes."""

    volid: str
    vmid: int
    size: int
    used: int
    format: str
    ctime: int
    parent: str | None = None
    """The base volume of a linked clone."""


@dataclass(frozen=True)
class Layout:
    """How one kind of storage names volumes."""

    formats: tuple[str, ...]
    """What it can hold; the first is the default for new images."""
    reserves: bool
    """Does a full volume take its whole size at once?"""
    folders: bool
    """Are images kept in one folder per VM, with the format as suffix?"""
    chained_names: bool
    """Does the name of a linked clone start with that of its base?"""

    def name(self, vmid: int, what: str, image_format: str) -> str:
        """`vm-<vmid>-<what>` in this storage's spelling; `what` is `disk-0` or `cloudinit`."""
        return f"{vmid}/vm-{vmid}-{what}.{image_format}" if self.folders else f"vm-{vmid}-{what}"

    def base_name(self, name: str) -> str:
        """The name of a volume after its VM became a template."""
        return name.replace("vm-", "base-", 1)

    def linked_name(self, base: str, name: str) -> str:
        """The name of a linked clone."""
        return f"{base}/{name}" if self.chained_names else name


LAYOUTS = {
    "dir": Layout(("raw", "qcow2", "vmdk"), reserves=False, folders=True, chained_names=True),
    "zfspool": Layout(("raw",), reserves=True, folders=False, chained_names=True),
    "lvmthin": Layout(("raw",), reserves=False, folders=False, chained_names=False),
}


@dataclass
class Storage:
    """A storage's definition, the same on all nodes."""

    name: str
    kind: str
    size: int
    content: tuple[str, ...]
    shared: bool = False
    disabled: bool = False
    path: str = ""
    overhead: int = 0
    """Bytes taken by what is not a VM's image."""

    @property
    def layout(self) -> Layout:
        return LAYOUTS[self.kind]

    def device(self, volid: str) -> str:
        """The path of a volume as it stands in commands and logs."""
        # A linked clone's name carries its base; its file lies under its own name.
        own = volid.split(":", 1)[1]
        if self.layout.folders:
            return f"{self.path}/images/{'/'.join(own.split('/')[-2:])}"
        folder = "/dev/zvol/rpool/data" if self.kind == "zfspool" else "/dev/pve"
        return f"{folder}/{own.rsplit('/', 1)[-1]}"


@dataclass
class Store:
    """A storage as one node sees it; a shared one is seen alike by all."""

    storage: Storage
    volumes: dict[str, Volume] = field(default_factory=dict)

    @property
    def used(self) -> int:
        return self.storage.overhead + sum(volume.used for volume in self.volumes.values())

    @property
    def available(self) -> int:
        return max(self.storage.size - self.used, 0)

    def of_vm(self, vmid: int) -> list[Volume]:
        """All volumes that belong to a VMID by name, referenced or not."""
        return [volume for volume in self.volumes.values() if volume.vmid == vmid]

    def free_name(self, vmid: int, image_format: str) -> str:
        """The lowest free `disk-<n>` name of a VM."""
        taken = {volume.volid.rsplit("/", 1)[-1].split(":")[-1].split(".")[0] for volume in self.of_vm(vmid)}
        number = 0
        while f"vm-{vmid}-disk-{number}" in taken or f"base-{vmid}-disk-{number}" in taken:
            number += 1
        return self.storage.layout.name(vmid, f"disk-{number}", image_format)
