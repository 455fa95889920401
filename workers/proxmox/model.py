"""What Proxmox VE's answers say, as plain data.

Every `parse` takes the `data` of an answer (schema of PVE 9.2) and raises KeyError, TypeError, ValueError or
AttributeError when it has another shape; the connection turns those into PveBug.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from workers.proxmox.properties import is_true, mac_of, numbered, parse_properties, size_gib

_DISK = re.compile(r"(ide|sata|scsi|virtio)\d+|efidisk0|tpmstate0")


@dataclass(frozen=True)
class VmConfig:
    """The configuration of a VM, pending changes merged in.

    `options` has every option as text, passwords masked by PVE. `digest` changes with every edit of the file.
    `disk_gib` are whole GiB rounded down, by option name; CD drives are left out. `hostpci` has the raw
    values by slot. `sockets` × `cores` are the VM's CPUs.
    """

    options: Mapping[str, str]
    digest: str
    name: str
    description: str
    lock: str | None
    tags: tuple[str, ...]
    template: bool
    machine: str | None
    memory_mib: int
    cores: int
    sockets: int
    net0_mac: str | None
    hostpci: Mapping[int, str]
    disk_gib: Mapping[str, int]
    agent_enabled: bool
    has_cloudinit_drive: bool
    onboot: bool
    protection: bool

    @classmethod
    def parse(cls, data: Any) -> Self:
        """From GET …/qemu/{vmid}/config. A young clone is a stub without a name until it has a disk."""
        options = {key: str(value) for key, value in data.items()}
        drives = {
            key: parse_properties(value, "file") for key, value in options.items() if _DISK.fullmatch(key)
        }
        cd_drives = {key for key, drive in drives.items() if drive.get("media") == "cdrom"}
        return cls(
            options=options,
            digest=options["digest"],
            name=options.get("name", ""),
            description=options.get("description", "").strip(),
            lock=options.get("lock"),
            tags=tuple(re.findall(r"[^;, ]+", options.get("tags", ""))),
            template=is_true(options.get("template")),
            machine=options.get("machine"),
            memory_mib=int(parse_properties(options.get("memory", "512"), "current")["current"]),
            cores=int(options.get("cores", 1)),
            sockets=int(options.get("sockets", 1)),
            net0_mac=mac_of(options.get("net0", "")),
            hostpci=numbered(options, "hostpci"),
            disk_gib={
                key: size_gib(drive.get("size", "0")) for key, drive in drives.items() if key not in cd_drives
            },
            agent_enabled=is_true(parse_properties(options.get("agent", "0"), "enabled").get("enabled")),
            has_cloudinit_drive=any("cloudinit" in drives[key].get("file", "") for key in cd_drives),
            onboot=is_true(options.get("onboot")),
            protection=is_true(options.get("protection")),
        )


@dataclass(frozen=True)
class VmStatus:
    """Whether a QEMU process exists (`running`, also while it still pins memory), and for how long."""

    running: bool
    lock: str | None
    uptime_seconds: int
    pid: int | None
    qmpstatus: str | None
    ha_managed: bool

    @classmethod
    def parse(cls, data: Any) -> Self:
        """From GET …/status/current."""
        pid = data.get("pid")
        return cls(
            running=data["status"] == "running",
            lock=data.get("lock"),
            uptime_seconds=int(data.get("uptime") or 0),
            pid=int(pid) if pid else None,
            qmpstatus=data.get("qmpstatus"),
            ha_managed=is_true((data.get("ha") or {}).get("managed")),
        )


@dataclass(frozen=True)
class TaskState:
    """Where a task stands. `exitstatus` is PVE's free text once it ended; `vanished`: PVE does not know it
    (any more).
    """

    running: bool
    exitstatus: str | None = None
    vanished: bool = False

    @classmethod
    def parse(cls, data: Any) -> Self:
        """From GET …/tasks/{upid}/status."""
        running = data["status"] == "running"
        return cls(
            running=running, exitstatus=None if running else str(data.get("exitstatus", "unexpected status"))
        )


@dataclass(frozen=True)
class LogPage:
    """Lines of a task's log, and how many the log has in all."""

    lines: tuple[str, ...]
    total: int

    @classmethod
    def parse(cls, data: Any, total: int) -> Self:
        """From GET …/tasks/{upid}/log, whose lines stand under `t`."""
        lines = tuple(str(row["t"]) for row in data)
        return cls(lines=lines, total=max(total, len(lines)))
