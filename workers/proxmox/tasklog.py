"""What a task's exit status and log say beside errors: success, warnings, failed resets, a clone's VMID.

The texts are those of PVE 9.2 (pve-common 9.2.1, qemu-server 9.2.6). Errors are in `classify`.
"""

import re
from collections.abc import Iterable

_RESET_FAILED = re.compile(r"failed to reset PCI device '([0-9a-fA-F:.]+)'")
_CLONE_OF = re.compile(r"creating a clone of VM \d+ with ID (\d+)\b")


def succeeded(exitstatus: str) -> bool:
    """`OK`, or `WARNINGS: n`: the work is done, and there are lines to read."""
    return exitstatus == "OK" or exitstatus.startswith("WARNINGS")


def warnings_in(lines: Iterable[str]) -> tuple[str, ...]:
    """The `WARN:` lines: for a destroy each is a disk that is still there."""
    return tuple(line for line in lines if line.startswith("WARN:"))


def failed_resets(lines: Iterable[str]) -> tuple[str, ...]:
    """The PCI addresses of devices that did not reset; PVE goes on with the start all the same."""
    return tuple(dict.fromkeys(address for line in lines for address in _RESET_FAILED.findall(line)))


def cloned_vmid(lines: Iterable[str]) -> int | None:
    """The VMID that a clone task makes: PVE names it in the first line of the log, and nowhere else."""
    found = _CLONE_OF.search("\n".join(lines))
    return int(found[1]) if found else None
