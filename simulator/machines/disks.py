"""Making, naming, growing and freeing of disk images."""

import re

from simulator.errors import PveError
from simulator.locks import storage_lock
from simulator.schema.properties import write_pairs
from simulator.state.vms import GIB, MIB, Vm
from simulator.state.volumes import Storage, Store, Volume
from simulator.tasks.task import Job
from simulator.world import World

CLOUDINIT_SIZE = 4 * MIB
EFI_SIZE = 4 * MIB
TPM_SIZE = 4 * MIB
STORAGE_LOCK_WAIT = 10
PROGRESS_STEPS = 88
"""Lines of progress that a copy writes."""
LARGEST_FILE = 16 * 1024 * GIB
"""ext4's limit for one file."""
_UNITS = {"": 1, "K": 1024, "M": MIB, "G": GIB, "T": 1024 * GIB}
_SIZE = re.compile(r"(?P<number>[\d.]+)(?P<unit>[KMGT]?)")
_ALLOCATION = re.compile(r"(?P<storage>[^:\s]+):(?P<gib>\d+(\.\d+)?|cloudinit)")


def parse_size(text: str) -> int:
    """Bytes of `120G`. Raises ValueError."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no size")
    return int(float(found["number"]) * _UNITS[found["unit"]])


def format_size(size: int) -> str:
    """`120G`, in the largest unit that divides it."""
    for unit in ("T", "G", "M", "K"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return str(size)


def allocation(volume: str) -> tuple[str, str] | None:
    """(storage, GiB or `cloudinit`) when a drive asks for a new image, None when it names one."""
    match = _ALLOCATION.fullmatch(volume)
    return (match["storage"], match["gib"]) if match else None


def out_of_space(storage: Storage, name: str, size: int) -> PveError:
    """What a storage says when there is no room for a new volume."""
    own = name.rsplit("/", 1)[-1]
    texts = {
        "zfspool": f"zfs error: cannot create 'rpool/data/{own}': out of space",
        "lvmthin": f"lvcreate 'pve/{own}' error: Cannot create new thin volume, free space in thin pool"
        " pve/data reached threshold.",
    }
    default = f"unable to create image: not enough free space for {size} bytes"
    return PveError(texts.get(storage.kind, default))


def formatting(storage: Storage, volume: Volume) -> list[str]:
    """What qemu-img says when it makes an image file; volumes of other storages are made silently."""
    if not storage.layout.folders:
        return []
    path = storage.device(volume.volid)
    if volume.format == "raw":
        return [f"Formatting '{path}', fmt=raw size={volume.size} preallocation=off"]
    linked = volume.parent is not None
    backing = ""
    if volume.parent:
        backing = f" backing_file=../{volume.parent.split(':', 1)[1]} backing_fmt={volume.format}"
    line = (
        f"Formatting '{path}', fmt={volume.format} cluster_size={131072 if linked else 65536}"
        f" extended_l2={'on' if linked else 'off'} preallocation=metadata compression_type=zlib"
        f" size={volume.size}{backing} lazy_refcounts=off refcount_bits=16"
    )
    return [line]


def progress(share: float, size: int) -> str:
    """qemu-img's line while it copies."""
    return f"transferred {_human(size * share)} of {_human(size)} ({share * 100:.2f}%)"


def _human(size: float) -> str:
    """`1.6 GiB`."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


class Disks:
    """The images of one node."""

    def __init__(self, world: World, node: str) -> None:
        self._world = world
        self._node = node

    def store(self, storage: str) -> Store:
        """A storage as this node sees it."""
        return self._world.cluster.store(storage, self._node)

    def create(
        self, storage: str, vmid: int, what: str, size: int, image_format: str, *, full: int | None = None
    ) -> Volume:
        """A new image; `what` is `cloudinit`, or empty for the next free disk name.

        `full` is what its content takes at once where a storage does not reserve whole volumes.
        """
        store = self.store(storage)
        layout = store.storage.layout
        name = layout.name(vmid, what, image_format) if what else store.free_name(vmid, image_format)
        if f"{storage}:{name}" in store.volumes:
            raise PveError(f"{_maker(store.storage)} '{name}' error: volume already exists")
        used = size if layout.reserves else (full or 0)
        if layout.reserves and used > store.available:
            raise out_of_space(store.storage, name, size)
        return self._keep(store, Volume(f"{storage}:{name}", vmid, size, used, image_format, self._now()))

    def link(self, base: Volume, vmid: int) -> Volume:
        """A linked clone of a base image: it takes no room of its own at first."""
        storage, base_name = base.volid.split(":", 1)
        store = self.store(storage)
        layout = store.storage.layout
        image_format = "qcow2" if layout.folders else base.format
        name = layout.linked_name(base_name, store.free_name(vmid, image_format))
        volume = Volume(f"{storage}:{name}", vmid, base.size, MIB, image_format, self._now(), base.volid)
        return self._keep(store, volume)

    def _keep(self, store: Store, volume: Volume) -> Volume:
        store.volumes[volume.volid] = volume
        return volume

    def _now(self) -> int:
        return int(self._world.clock.now())

    def free(self, volid: str) -> None:
        """Remove an image, if it is there."""
        volume = self._world.cluster.volume(volid, self._node)
        if volume is not None:
            del self.store(volid.split(":", 1)[0]).volumes[volid]

    def linked_clones(self, volid: str) -> list[Volume]:
        """The images that depend on a base image."""
        volumes = self.store(volid.split(":", 1)[0]).volumes.values()
        return [volume for volume in volumes if volume.parent == volid]

    def describe(self, volume: Volume, drive: dict[str, str]) -> str:
        """A drive's property string for the configuration."""
        kept = {name: value for name, value in drive.items() if name not in ("format", "import-from")}
        return write_pairs(kept | {"file": volume.volid, "size": format_size(volume.size)}, "file")

    async def allocate_under_lock(self, storage: str, job: Job) -> None:
        """Take the storage's lock for as long as making one volume takes."""
        async with self._world.locks.hold(self._node, storage_lock(storage), STORAGE_LOCK_WAIT, log=job.log):
            await job.sleep(self._world.timing.allocate)


def _maker(storage: Storage) -> str:
    return {"zfspool": "zfs create", "lvmthin": "lvcreate"}.get(storage.kind, "qemu-img create")


def new_drive(disks: Disks, vm: Vm, option: str, drive: dict[str, str]) -> str:
    """Make the image that a drive asks for (`local-zfs:32`, `local-zfs:cloudinit`); its property string."""
    request = allocation(drive["file"])
    if request is None:
        raise PveError(f"unable to parse volume ID '{drive['file']}'")
    storage, size = request
    layout = disks.store(storage).storage.layout
    if size == "cloudinit":
        image_format = "qcow2" if layout.folders else layout.formats[0]
        volume = disks.create(storage, vm.vmid, "cloudinit", CLOUDINIT_SIZE, image_format)
        return write_pairs({**drive, "file": volume.volid, "media": "cdrom"}, "file")
    image_format = drive.get("format", layout.formats[0])
    wanted = {"efidisk0": EFI_SIZE, "tpmstate0": TPM_SIZE}.get(option, int(float(size) * GIB))
    if wanted > LARGEST_FILE:
        device = disks.store(storage).storage.device(_next(disks, storage, vm))
        raise PveError(
            f"unable to create image: qemu-img: {device}:"
            f" The image size is too large for file format '{image_format}'"
        )
    volume = disks.create(storage, vm.vmid, "", wanted, image_format)
    return disks.describe(volume, drive)


def _next(disks: Disks, storage: str, vm: Vm) -> str:
    store = disks.store(storage)
    return f"{storage}:{store.free_name(vm.vmid, store.storage.layout.formats[0])}"
