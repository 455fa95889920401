"""What may become part of a request path or parameter.

proxmoxer joins path parts without quoting (2.3.0): `..`, `/`, `?` and `#` would reach another resource. So
every name is held against PVE's own formats before it is used; a misfit is a fault on our side, hence PveBug.
"""

import re
from dataclasses import dataclass

from orchestrator.errors import PveBug

VMID_MIN = 100
VMID_MAX = 999_999_999

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_PATTERNS = {
    "node": re.compile(_LABEL),
    "storage": re.compile(r"[A-Za-z][A-Za-z0-9\-_.]*[A-Za-z0-9]"),
    "pool": re.compile(r"[A-Za-z0-9.\-_]+(/[A-Za-z0-9.\-_]+){0,2}"),
    "disk": re.compile(r"(ide|sata|scsi|virtio)[0-9]{1,2}|efidisk0|tpmstate0"),
    "VM name": re.compile(rf"{_LABEL}(\.{_LABEL})*"),
    "option": re.compile(r"[a-z][a-z0-9_\-]*"),
    "guest path": re.compile(r"/[^\x00-\x1f\x7f]+"),
}
_UPID = re.compile(
    rf"UPID:(?P<node>{_LABEL}):[0-9A-Fa-f]{{8}}:[0-9A-Fa-f]{{8,9}}:[0-9A-Fa-f]{{8}}"
    r":(?P<type>[A-Za-z0-9_\-]+):(?P<id>[^:\s/?#%]*):(?P<user>[^:\s/?#%]+):"
)


@dataclass(frozen=True)
class Upid:
    """A task's identity, as PVE writes it. `id` is the VMID it works on; for a clone, its template's."""

    text: str
    node: str
    type: str
    id: str


def checked(kind: str, value: str) -> str:
    """The value, if it has the format of that kind of name. Raises PveBug."""
    if not _PATTERNS[kind].fullmatch(value):
        raise PveBug(f"{value!r} cannot be the name of a Proxmox VE {kind}; nothing was sent")
    return value


def checked_vmid(vmid: int) -> int:
    """The VMID, if PVE could have such a one. Raises PveBug."""
    if isinstance(vmid, bool) or not isinstance(vmid, int) or not VMID_MIN <= vmid <= VMID_MAX:
        raise PveBug(f"{vmid!r} is no VMID ({VMID_MIN} to {VMID_MAX}); nothing was sent")
    return vmid


def parse_upid(text: str) -> Upid:
    """The parts of a UPID. Raises ValueError: who holds the text knows whose fault it is."""
    found = _UPID.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no UPID")
    return Upid(text=text, node=found["node"], type=found["type"], id=found["id"])


def checked_upid(text: str) -> Upid:
    """A UPID that we kept, parsed. Raises PveBug."""
    try:
        return parse_upid(text)
    except ValueError as err:
        raise PveBug(f"{err}; nothing was sent") from None
