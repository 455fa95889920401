"""The property strings of disks, network cards, passthrough devices and cloud-init addresses."""

from simulator.schema import formats
from simulator.schema.parameters import Parameter, boolean, choice, integer, need, number, pattern, text
from simulator.schema.properties import PropertyFormat

_VOLUME_ALIAS = {"volume": "file"}
_IMAGE_FORMATS = ("raw", "qcow", "qed", "qcow2", "vmdk", "cloop")

_LIMIT_UNITS = {"mbps": number(), "iops": integer()}
_LIMITS = {
    **{
        f"{unit}{way}{peak}": kind
        for unit, kind in _LIMIT_UNITS.items()
        for way in ("", "_rd", "_wr")
        for peak in ("", "_max")
    },
    **{f"bps{way}": integer() for way in ("", "_rd", "_wr")},
    **{f"{unit}{way}_max_length": integer(1) for unit in ("bps", "iops") for way in ("", "_rd", "_wr")},
}
_LIMIT_ALIASES = {
    f"{unit}{way}_length": f"{unit}{way}_max_length" for unit in ("bps", "iops") for way in ("_rd", "_wr")
}

_DRIVE: dict[str, Parameter] = {
    "file": need(text(formats.volume_id)),
    "aio": choice("native", "threads", "io_uring"),
    "backup": boolean(),
    "cache": choice("none", "writethrough", "writeback", "unsafe", "directsync"),
    "detect_zeroes": boolean(),
    "discard": choice("ignore", "on"),
    "format": choice(*_IMAGE_FORMATS),
    "import-from": text(formats.volume_id),
    "media": choice("cdrom", "disk"),
    "replicate": boolean(),
    "rerror": choice("ignore", "report", "stop"),
    "serial": text(formats.urlencoded, max_length=60),
    "shared": boolean(),
    "size": text(formats.disk_size),
    "snapshot": boolean(),
    "werror": choice("enospc", "ignore", "report", "stop"),
    **_LIMITS,
}
_SSD = {"ssd": boolean(), "wwn": pattern(r"(0x)[0-9a-fA-F]{16}")}
_VIRTIO = {"iothread": boolean(), "ro": boolean()}
_SCSI = {
    "product": pattern(r"[A-Za-z0-9\-_\s]{,16}"),
    "vendor": pattern(r"[A-Za-z0-9\-_\s]{,8}"),
    "queues": integer(2),
    "scsiblock": boolean(),
}


def _drive(**more: Parameter) -> PropertyFormat:
    return PropertyFormat({**_DRIVE, **more}, "file", {**_VOLUME_ALIAS, **_LIMIT_ALIASES})


IDE = _drive(**_SSD, model=text(formats.urlencoded, max_length=120))
SATA = _drive(**_SSD)
SCSI = _drive(**_SSD, **_VIRTIO, **_SCSI)
VIRTIO = _drive(**_VIRTIO)
EFIDISK = PropertyFormat(
    {
        "file": need(text(formats.volume_id)),
        "efitype": choice("2m", "4m"),
        "format": choice(*_IMAGE_FORMATS),
        "import-from": text(formats.volume_id),
        "ms-cert": choice("2011", "2023", "2023w", "2023k"),
        "pre-enrolled-keys": boolean(),
        "size": text(formats.disk_size),
    },
    "file",
    _VOLUME_ALIAS,
)
TPMSTATE = PropertyFormat(
    {
        "file": need(text(formats.volume_id)),
        "format": choice("raw", "qcow2", "vmdk"),
        "import-from": text(formats.volume_id),
        "size": text(formats.disk_size),
        "version": choice("v1.2", "v2.0"),
    },
    "file",
    _VOLUME_ALIAS,
)
UNUSED = PropertyFormat({"file": need(text(formats.volume_id))}, "file", _VOLUME_ALIAS)

NET_MODELS = (
    "e1000",
    "e1000-82540em",
    "e1000-82544gc",
    "e1000-82545em",
    "e1000e",
    "i82551",
    "i82557b",
    "i82559er",
    "ne2k_isa",
    "ne2k_pci",
    "pcnet",
    "rtl8139",
    "virtio",
    "vmxnet3",
)
NET = PropertyFormat(
    {
        "model": need(choice(*NET_MODELS)),
        "bridge": text(formats.bridge_id),
        "firewall": boolean(),
        "link_down": boolean(),
        "macaddr": text(formats.mac_address),
        "mtu": integer(1, 65520),
        "queues": integer(0, 64),
        "rate": number(0),
        "tag": integer(1, 4094),
        "trunks": pattern(r"\d+(?:-\d+)?(?:;\d+(?:-\d+)?)*"),
    },
    "model",
    model_keys=frozenset(NET_MODELS),
)

_PCI = r"(?:[a-f0-9]{4,}:)?[a-f0-9]{2}:[a-f0-9]{2}(?:\.[a-f0-9])?"
HOSTPCI = PropertyFormat(
    {
        "host": pattern(rf"(?i:{_PCI}(?:;{_PCI})*)"),
        "device-id": pattern(r"0x[0-9a-fA-F]{4}"),
        "legacy-igd": boolean(),
        "mapping": text(formats.config_id),
        "mdev": pattern(r"[^/.:]+"),
        "driver": choice("vfio", "keep"),
        "pcie": boolean(),
        "rombar": boolean(),
        "romfile": pattern(r"[^,;]+"),
        "sub-device-id": pattern(r"0x[0-9a-fA-F]{4}"),
        "sub-vendor-id": pattern(r"0x[0-9a-fA-F]{4}"),
        "vendor-id": pattern(r"0x[0-9a-fA-F]{4}"),
        "x-vga": boolean(),
    },
    "host",
)
IPCONFIG = PropertyFormat(
    {
        "ip": text(formats.ipv4_config),
        "gw": Parameter(format=formats.ipv4_address, requires="ip"),
        "ip6": text(formats.ipv6_config),
        "gw6": Parameter(format=formats.ipv6_address, requires="ip6"),
    }
)
CICUSTOM = PropertyFormat({part: text(formats.volume_id) for part in ("meta", "network", "user", "vendor")})
