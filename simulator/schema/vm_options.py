"""Every option of a VM: its form, the privilege to change it, and what a running VM does with it."""

import re
from dataclasses import dataclass

from simulator.schema import drives, formats
from simulator.schema.parameters import (
    Parameter,
    boolean,
    choice,
    integer,
    need,
    number,
    pattern,
    properties,
    text,
)
from simulator.schema.properties import PropertyFormat

CPU = "VM.Config.CPU"
MEMORY = "VM.Config.Memory"
NETWORK = "VM.Config.Network"
DISK = "VM.Config.Disk"
HWTYPE = "VM.Config.HWType"
OPTIONS = "VM.Config.Options"
CLOUDINIT = "VM.Config.Cloudinit|VM.Config.Network"
POWER = "VM.PowerMgmt"
ROOT = "root@pam"


@dataclass(frozen=True)
class Option:
    """One option. `count` is set for numbered ones (`net0`, `net1`, …)."""

    form: Parameter
    privilege: str
    live: bool = False
    """Takes effect at once in a running VM; otherwise it stays pending until a full stop and start."""
    count: int | None = None


_SET = r"\d+(?:-\d+)?(?:;\d+(?:-\d+)?)*"
_MACHINE_VERSION = r"-\d+(\.\d+)+(\+pve\d+)?(\.pxe)?"
MACHINE = PropertyFormat(
    {
        "type": Parameter(
            max_length=40,
            pattern=rf"(pc|pc(-i440fx)?{_MACHINE_VERSION}|q35|pc-q35{_MACHINE_VERSION}|virt(?:-\d+(\.\d+)+)?(\+pve\d+)?)",
        ),
        "aw-bits": number(32, 64),
        "enable-s3": boolean(),
        "enable-s4": boolean(),
        "viommu": choice("intel", "virtio"),
    },
    "type",
)
_AGENT = PropertyFormat(
    {
        "enabled": need(boolean()),
        "freeze-fs": boolean(),
        "fstrim_cloned_disks": boolean(),
        "type": choice("virtio", "isa"),
    },
    "enabled",
    {"freeze-fs-on-backup": "freeze-fs", "guest-fsfreeze": "freeze-fs"},
)
_VGA_TYPES = (
    *("cirrus", "qxl", "qxl2", "qxl3", "qxl4", "none", "serial0", "serial1", "serial2", "serial3"),
    *("std", "virtio", "virtio-gl", "vmware"),
)
_KEYBOARDS = (
    *("de", "de-ch", "da", "en-gb", "en-us", "es", "fi", "fr", "fr-be", "fr-ca", "fr-ch", "hu", "is"),
    *("it", "ja", "lt", "mk", "nl", "no", "pl", "pt", "pt-br", "sv", "sl", "tr"),
)
_OS_TYPES = (
    *("other", "wxp", "w2k", "w2k3", "w2k8", "wvista", "win7", "win8", "win10", "win11"),
    *("l24", "l26", "solaris"),
)
LOCKS = (
    *("backup", "clone", "create", "migrate", "rollback", "snapshot", "snapshot-delete"),
    *("suspending", "suspended"),
)

VM_OPTIONS: dict[str, Option] = {
    "acpi": Option(boolean(), HWTYPE),
    "affinity": Option(text(), ROOT),
    "agent": Option(properties(_AGENT), OPTIONS),
    "allow-ksm": Option(boolean(), MEMORY),
    "amd-sev": Option(text(), ROOT),
    "arch": Option(choice("x86_64", "aarch64"), ROOT),
    "args": Option(text(), ROOT),
    "audio0": Option(
        properties(
            PropertyFormat(
                {
                    "device": need(choice("ich9-intel-hda", "intel-hda", "AC97")),
                    "driver": choice("spice", "none"),
                }
            )
        ),
        HWTYPE,
    ),
    "autostart": Option(boolean(), OPTIONS),
    "balloon": Option(integer(0), MEMORY),
    "bios": Option(choice("seabios", "ovmf"), OPTIONS),
    "boot": Option(text(), DISK),
    "bootdisk": Option(pattern(r"(ide|sata|scsi|virtio)\d+"), DISK),
    "cdrom": Option(text(formats.volume_id), "VM.Config.CDROM"),
    "cicustom": Option(properties(drives.CICUSTOM), CLOUDINIT, live=True),
    "cipassword": Option(text(), CLOUDINIT, live=True),
    "citype": Option(choice("configdrive2", "nocloud", "opennebula"), CLOUDINIT, live=True),
    "ciupgrade": Option(boolean(), CLOUDINIT, live=True),
    "ciuser": Option(text(), CLOUDINIT, live=True),
    "cores": Option(integer(1), CPU),
    "cpu": Option(text(), CPU),
    "cpulimit": Option(number(0, 128), CPU, live=True),
    "cpuunits": Option(integer(1, 262144), CPU, live=True),
    "description": Option(text(max_length=8192), OPTIONS, live=True),
    "efidisk0": Option(properties(drives.EFIDISK), DISK),
    "freeze": Option(boolean(), POWER),
    "hookscript": Option(text(formats.volume_id), ROOT, live=True),
    "hostpci": Option(properties(drives.HOSTPCI), HWTYPE, count=16),
    "hotplug": Option(text(), HWTYPE),
    "hugepages": Option(choice("any", "2", "1024"), ROOT),
    "ide": Option(properties(drives.IDE), DISK, live=True, count=4),
    "intel-tdx": Option(text(), ROOT),
    "ipconfig": Option(properties(drives.IPCONFIG), CLOUDINIT, live=True, count=32),
    "ivshmem": Option(
        properties(PropertyFormat({"name": pattern(r"[a-zA-Z0-9\-]+"), "size": need(integer(1))})), ROOT
    ),
    "keephugepages": Option(boolean(), ROOT),
    "keyboard": Option(choice(*_KEYBOARDS), OPTIONS),
    "kvm": Option(boolean(), HWTYPE),
    "localtime": Option(boolean(), OPTIONS),
    "lock": Option(choice(*LOCKS), ROOT, live=True),
    "machine": Option(properties(MACHINE), HWTYPE),
    "memory": Option(properties(PropertyFormat({"current": need(integer(16))}, "current")), MEMORY),
    "migrate_downtime": Option(number(0), OPTIONS),
    "migrate_speed": Option(integer(0), OPTIONS),
    "name": Option(text(formats.dns_name), OPTIONS, live=True),
    "nameserver": Option(text(), CLOUDINIT, live=True),
    "net": Option(properties(drives.NET), NETWORK, live=True, count=32),
    "numa": Option(boolean(), CPU),
    "numa[n]": Option(
        properties(
            PropertyFormat(
                {
                    "cpus": need(pattern(_SET)),
                    "hostnodes": pattern(_SET),
                    "memory": number(),
                    "policy": choice("preferred", "bind", "interleave"),
                }
            )
        ),
        CPU,
        count=8,
    ),
    "onboot": Option(boolean(), OPTIONS, live=True),
    "ostype": Option(choice(*_OS_TYPES), OPTIONS),
    "parallel": Option(pattern(r"/dev/parport\d+|/dev/usb/lp\d+"), ROOT, count=3),
    "protection": Option(boolean(), OPTIONS, live=True),
    "reboot": Option(boolean(), OPTIONS),
    "rng0": Option(text(), HWTYPE),
    "sata": Option(properties(drives.SATA), DISK, live=True, count=6),
    "scsi": Option(properties(drives.SCSI), DISK, live=True, count=31),
    "scsihw": Option(
        choice("lsi", "lsi53c810", "virtio-scsi-pci", "virtio-scsi-single", "megasas", "pvscsi"), HWTYPE
    ),
    "searchdomain": Option(text(), CLOUDINIT, live=True),
    "serial": Option(pattern(r"(/dev/.+|socket)"), HWTYPE, count=4),
    "shares": Option(integer(0, 50000), MEMORY, live=True),
    "smbios1": Option(text(max_length=512), HWTYPE),
    "smp": Option(integer(1), CPU),
    "sockets": Option(integer(1), CPU),
    "spice_enhancements": Option(
        properties(
            PropertyFormat({"foldersharing": boolean(), "videostreaming": choice("off", "all", "filter")})
        ),
        OPTIONS,
    ),
    "sshkeys": Option(text(formats.urlencoded), CLOUDINIT, live=True),
    "startdate": Option(pattern(r"(now|\d{4}-\d{1,2}-\d{1,2}(T\d{1,2}:\d{1,2}:\d{1,2})?)"), OPTIONS),
    "startup": Option(text(), OPTIONS, live=True),
    "tablet": Option(boolean(), HWTYPE),
    "tags": Option(text(formats.tag_list), OPTIONS, live=True),
    "tdf": Option(boolean(), OPTIONS),
    "template": Option(boolean(), OPTIONS),
    "tpmstate0": Option(properties(drives.TPMSTATE), DISK),
    "unused": Option(properties(drives.UNUSED), DISK, live=True, count=256),
    "usb": Option(
        properties(
            PropertyFormat({"host": text(), "mapping": text(formats.config_id), "usb3": boolean()}, "host")
        ),
        HWTYPE,
        count=14,
    ),
    "vcpus": Option(integer(1), CPU),
    "vga": Option(
        properties(
            PropertyFormat(
                {"type": choice(*_VGA_TYPES), "clipboard": choice("vnc"), "memory": integer(4, 512)}, "type"
            )
        ),
        HWTYPE,
    ),
    "virtio": Option(properties(drives.VIRTIO), DISK, live=True, count=16),
    "virtiofs": Option(
        properties(
            PropertyFormat(
                {
                    "dirid": need(text(formats.config_id)),
                    "cache": choice("auto", "always", "metadata", "never"),
                    "direct-io": boolean(),
                    "expose-acl": boolean(),
                    "expose-xattr": boolean(),
                },
                "dirid",
            )
        ),
        OPTIONS,
        count=10,
    ),
    "vmgenid": Option(pattern(r"(?:[a-fA-F0-9]{8}(?:-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}|[01])"), HWTYPE),
    "vmstatestorage": Option(text(formats.storage_id), DISK, live=True),
    "watchdog": Option(text(), HWTYPE),
}


def _numbered() -> dict[str, Option]:
    expanded: dict[str, Option] = {}
    for name, option in VM_OPTIONS.items():
        stem = name.removesuffix("[n]")
        if option.count is None:
            expanded[name] = option
        else:
            expanded |= {f"{stem}{number}": option for number in range(option.count)}
    return expanded


OPTION_BY_NAME = _numbered()
"""The same with every number written out, as they stand in a configuration."""

OPTION_PARAMETERS = {name: option.form for name, option in OPTION_BY_NAME.items()}

_DRIVES = re.compile(r"(ide|sata|scsi|virtio)\d+|efidisk0|tpmstate0")
DISK_NAMES = (
    *(
        f"{bus}{number}"
        for bus in ("ide", "scsi", "virtio", "sata")
        for number in range(VM_OPTIONS[bus].count or 0)
    ),
    *("efidisk0", "tpmstate0"),
)
"""In the order of PVE's own enumeration."""

CLOUDINIT_OPTIONS = frozenset(
    {"cicustom", "cipassword", "citype", "ciupgrade", "ciuser", "nameserver", "searchdomain", "sshkeys"}
)


def is_drive(option: str) -> bool:
    """Does this option name a disk or a CD drive?"""
    return _DRIVES.fullmatch(option) is not None


def is_cloudinit(option: str) -> bool:
    """Does this option go into the cloud-init image?"""
    return option in CLOUDINIT_OPTIONS or re.fullmatch(r"ipconfig\d+", option) is not None


def shown(option: str, value: str) -> str | int:
    """A configuration value as the API shows it: whole numbers and booleans as numbers, all else as text."""
    known = OPTION_BY_NAME.get(option)
    if (
        known is not None
        and known.form.kind in ("integer", "boolean")
        and value.strip().lstrip("-").isdigit()
    ):
        return int(value)
    return value
