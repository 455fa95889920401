"""Clones: the work of `qmclone`, from the stub with its lock to the finished configuration."""

from dataclasses import dataclass

from simulator.errors import PveError
from simulator.faults.injector import Fault
from simulator.locks import config_lock
from simulator.machines.disks import CLOUDINIT_SIZE, PROGRESS_STEPS, Disks, formatting, out_of_space, progress
from simulator.machines.guard import check_lock
from simulator.machines.networks import with_new_macs
from simulator.schema.properties import write_pairs
from simulator.state.nodes import Node
from simulator.state.vms import GIB, MIB, GuestDisk, Vm
from simulator.state.volumes import Volume
from simulator.tasks.task import Interrupted, Job
from simulator.world import World

LOCK_WAIT = 1
NOT_COPIED = frozenset({"template", "lock", "digest", "snaptime", "parent"})
"""Options that a clone does not take over; disks, MAC addresses and ids are made anew."""


@dataclass(frozen=True)
class CloneRequest:
    """What is asked for. `bwlimit` is in KiB/s."""

    newid: int
    full: bool
    name: str | None = None
    description: str | None = None
    pool: str | None = None
    storage: str | None = None
    image_format: str | None = None
    target: str | None = None
    snapname: str | None = None
    bwlimit: int | None = None


async def clone(world: World, node: Node, source_id: int, wish: CloneRequest, job: Job) -> None:
    """Clone a VM. Failures remove what was made; a killed worker leaves stub and volumes behind."""
    newid = wish.newid
    job.log(f"creating a clone of VM {source_id} with ID {newid}")
    _provoke_collision(world, node, wish, job)
    source = world.cluster.vm_on(node.name, source_id)
    locks = world.locks
    if world.strikes("flock_timeout", job, node.name, newid):
        raise PveError(f"can't lock file '{config_lock(newid)}' - got timeout")
    shared = source.running is None
    async with (
        locks.hold(node.name, config_lock(source_id), LOCK_WAIT, shared=shared, log=job.log),
        locks.hold(node.name, config_lock(newid), LOCK_WAIT, log=job.log),
    ):
        check_lock(source)
        assert_free(world, node, newid)
        world.cluster.assert_quorum()
        copy = _Copy(world, node, source, wish, job)
        await copy.run()


def assert_free(world: World, node: Node, newid: int) -> None:
    """The new VMID has no configuration on this node."""
    taken = world.cluster.vms.get(newid)
    if taken is not None and taken.node == node.name:
        raise PveError(f"unable to create VM {newid}: config file already exists")


def _provoke_collision(world: World, node: Node, wish: CloneRequest, job: Job) -> None:
    if wish.newid in world.cluster.vms:
        return
    stranger = Vm(wish.newid, node.name, {"name": "foreign", "memory": "1024"})
    if world.strikes("vmid_taken", job, node.name, wish.newid):
        world.cluster.vms[wish.newid] = stranger
    elif world.strikes("vmid_taken_elsewhere", job, node.name, wish.newid):
        stranger.node = next((name for name in world.cluster.nodes if name != node.name), node.name)
        world.cluster.vms[wish.newid] = stranger


class _Copy:
    """One clone at work."""

    def __init__(self, world: World, node: Node, source: Vm, wish: CloneRequest, job: Job) -> None:
        self._world = world
        self._node = node
        self._source = source
        self._wish = wish
        self._job = job
        self._disks = Disks(world, node.name)
        self._made: list[Volume] = []
        snapshot = source.snapshots.get(wish.snapname or "")
        self._config = dict(snapshot.config if snapshot else source.config)

    async def run(self) -> None:
        wish, cluster = self._wish, self._world.cluster
        if wish.newid in cluster.vms:
            # Another node has it: only now, when the file is written, does the cluster say so.
            path = f"/etc/pve/nodes/{self._node.name}/qemu-server/{wish.newid}.conf"
            raise PveError(f"close (rename) atomic file '{path}' failed: File exists")
        target = Vm(wish.newid, self._node.name, {"description": "qmclone temporary file", "lock": "clone"})
        cluster.vms[wish.newid] = target
        finished = self._new_config()
        try:
            for option, drive in Vm(wish.newid, self._node.name, self._config).drives().items():
                drive_text = await self._clone_drive(option, drive)
                # With the first disk the stub becomes the real configuration, still locked.
                target.config = finished | self._drives_so_far(target) | {option: drive_text, "lock": "clone"}
        except PveError as error:
            self._undo()
            raise PveError(f"clone failed: {error}") from error
        target.config = {**finished, **self._drives_so_far(target)}
        target.disk = self._copied_disk()
        if wish.target and wish.target != self._node.name:
            target.node = wish.target
        if wish.pool:
            cluster.pools[wish.pool].vms.add(wish.newid)

    def _new_config(self) -> dict[str, str]:
        wish, world = self._wish, self._world
        drives = Vm(wish.newid, "", self._config).drives()
        kept = {
            option: value
            for option, value in self._config.items()
            if option not in NOT_COPIED and option not in drives and not option.startswith("unused")
        }
        kept["name"] = wish.name or f"Copy-of-VM-{self._config.get('name', self._source.vmid)}"
        if wish.description is not None:
            kept["description"] = wish.description
        kept["smbios1"] = f"uuid={world.new_uuid()}"
        kept["vmgenid"] = world.new_uuid()
        return with_new_macs(world, kept)

    @staticmethod
    def _drives_so_far(target: Vm) -> dict[str, str]:
        return {option: target.config[option] for option in target.drives()}

    def _copied_disk(self) -> GuestDisk:
        disk = self._source.disk
        return GuestDisk(
            disk.image,
            disk.password_login,
            disk.instance_id,
            disk.hostname,
            dict(disk.users),
            disk.host_key,
            dict(disk.files),
        )

    def _undo(self) -> None:
        for volume in self._made:
            self._disks.free(volume.volid)
        self._world.cluster.vms.pop(self._wish.newid, None)

    async def _clone_drive(self, option: str, drive: dict[str, str]) -> str:
        volid = drive["file"]
        if volid in ("none", "cdrom") or (drive.get("media") == "cdrom" and "cloudinit" not in volid):
            return self._config[option]
        if "cloudinit" in volid:
            return await self._clone_cloudinit(option, drive)
        source = self._world.cluster.volume(volid, self._node.name)
        if source is None:
            raise PveError(f"volume '{volid}' does not exist")
        volume = await (self._copy(option, source) if self._wish.full else self._link(option, source))
        return self._disks.describe(volume, drive)

    def _format(self, storage: str, like: str) -> str:
        layout = self._disks.store(storage).storage.layout
        wanted = self._wish.image_format or like
        return wanted if wanted in layout.formats else layout.formats[0]

    async def _clone_cloudinit(self, option: str, drive: dict[str, str]) -> str:
        volid = drive["file"]
        self._job.log(f"create full clone of drive {option} ({volid})")
        storage = self._wish.storage or volid.split(":")[0]
        await self._allocation_delay(storage)
        like = "qcow2" if self._disks.store(storage).storage.layout.folders else "raw"
        volume = self._disks.create(
            storage, self._wish.newid, "cloudinit", CLOUDINIT_SIZE, self._format(storage, like)
        )
        self._announce(volume)
        return write_pairs({**drive, "file": volume.volid, "media": "cdrom", "size": "4M"}, "file")

    async def _link(self, option: str, source: Volume) -> Volume:
        self._job.log(f"create linked clone of drive {option} ({source.volid})")
        await self._allocation_delay(source.volid.split(":")[0])
        volume = self._disks.link(source, self._wish.newid)
        base, own = source.volid.split(":", 1)[1], volume.volid.rsplit("/", 1)[-1].split(":")[-1]
        suffix = f" (base=../{base})" if "/" in base else ""
        self._job.log(f"clone {base}: images, {own}, {self._wish.newid} to {own}{suffix}")
        self._log_formatting(volume)
        self._made.append(volume)
        return volume

    async def _copy(self, option: str, source: Volume) -> Volume:
        self._job.log(f"create full clone of drive {option} ({source.volid})")
        storage = self._wish.storage or source.volid.split(":")[0]
        await self._allocation_delay(storage)
        like = self._format(storage, source.format)
        volume = self._disks.create(storage, self._wish.newid, "", source.size, like)
        self._announce(volume)
        await self._transfer(source, volume)
        return volume

    async def _transfer(self, source: Volume, volume: Volume) -> None:
        """Copy the content, with PVE's progress lines."""
        store = self._disks.store(volume.volid.split(":")[0])
        rate = self._world.timing.copy_mib_per_second * MIB
        if self._wish.bwlimit:
            rate = min(rate, self._wish.bwlimit * 1024)
        reserves = store.storage.layout.reserves
        room = store.available
        full_at = 0.5 if self._strikes("storage_full_copy") else 1.0
        if not reserves and source.used > room:
            full_at = min(full_at, room / source.used)
        for step in range(PROGRESS_STEPS + 1):
            share = step / PROGRESS_STEPS
            self._job.log(progress(share, source.size))
            if share >= full_at < 1:
                at = int(source.size * share)
                self._job.log(f"qemu-img: error while writing at byte {at}: No space left on device")
                raise PveError(f"copy failed: {self._convert(source, volume)} failed: exit code 1")
            if share == 0.5 and self._strikes("worker_killed"):
                self._job.die()
            if not reserves:
                volume.used = int(source.used * share)
            try:
                await self._job.sleep(source.used / rate / PROGRESS_STEPS)
            except Interrupted:
                raise PveError(
                    f"copy failed: {self._convert(source, volume)} failed: interrupted by signal"
                ) from None

    def _convert(self, source: Volume, volume: Volume) -> str:
        cluster = self._world.cluster
        here = cluster.storage(source.volid.split(":")[0]).device(source.volid)
        there = cluster.storage(volume.volid.split(":")[0]).device(volume.volid)
        limit = f" -r {self._wish.bwlimit}K" if self._wish.bwlimit else ""
        return (
            f"command '/usr/bin/qemu-img convert -p -n{limit} -f {source.format} -O {volume.format}"
            f" {here} zeroinit:{there}'"
        )

    async def _allocation_delay(self, storage: str) -> None:
        if self._strikes("storage_lock_timeout"):
            raise PveError(f"can't lock file '/var/lock/pve-manager/pve-storage-{storage}' - got timeout")
        await self._disks.allocate_under_lock(storage, self._job)
        if self._strikes("storage_full"):
            raise out_of_space(self._disks.store(storage).storage, f"vm-{self._wish.newid}-disk-0", GIB)
        if not self._wish.full and self._made and self._strikes("worker_killed"):
            self._job.die()

    def _announce(self, volume: Volume) -> None:
        self._log_formatting(volume)
        self._made.append(volume)
        self._job.log(f"allocated target volume '{volume.volid}'")

    def _log_formatting(self, volume: Volume) -> None:
        for line in formatting(self._world.cluster.storage(volume.volid.split(":")[0]), volume):
            self._job.log(line)

    def _strikes(self, fault: str) -> Fault | None:
        return self._world.strikes(fault, self._job, self._node.name, self._wish.newid)
