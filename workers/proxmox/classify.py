"""What an error of Proxmox VE means for the next step: one table for HTTP answers, tasks and their logs.

The texts are those of PVE 9.2 (qemu-server 9.2.6, pve-storage 9.1.7, pve-manager 9.2.11); PVE has no error
codes, an ordinary failure is always HTTP 500 with a sentence. `tasklog` knows the texts that are
no errors; nothing else compares words of PVE.

Rows are tried from top to bottom. `where` is matched whole against `read <status>` or `change <status>` for
an HTTP answer, `task` for a task's exit status, `log` for the log of a task whose exit status hides
the cause; `text` is searched in what PVE said.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.errors import (
    PveAgentSilent,
    PveAmbiguous,
    PveBug,
    PveCapacity,
    PveConflict,
    PveDenied,
    PveDevice,
    PveError,
    PveLocked,
    PveNoAccess,
    PveNotHere,
    PveTransient,
    PveUnreachable,
)


class TaskGone(PveAmbiguous):
    """PVE does not know that task (any more): its log was rotated away, or it never got one."""


@dataclass(frozen=True)
class Rule:
    """One row: where the text comes from, what it says, which error it is."""

    where: re.Pattern[str]
    text: re.Pattern[str]
    kind: type[PveError]


def _rule(where: str, text: str, kind: type[PveError]) -> Rule:
    return Rule(re.compile(where), re.compile(text), kind)


_ANY = r"(read|change) \d+|task"
_FAILED = r"(read|change) 500|task"

RULES: tuple[Rule, ...] = (
    # Credentials: the status alone decides, the wording changed in January 2026.
    _rule(r".* 401", r"", PveNoAccess),
    _rule(r".* 403", r"", PveDenied),
    # Tasks that ended without a verdict, or were ended.
    _rule(r".* 400", r"no such task|unable to parse worker upid", TaskGone),
    _rule(r"task", r"^unexpected status$|unable to get last line from task log", PveAmbiguous),
    _rule(r"task", r"interrupted by signal|received interrupt", PveTransient),
    _rule(r"task", r"quit/powerdown failed", PveTransient),
    # The VMID or the configuration belongs to somebody else by now.
    _rule(_ANY, r"VM \d+ already exists|unable to create VM \d+: config file already exists", PveConflict),
    _rule(r"task", r"qemu-server/\d+\.conf' failed: File exists", PveConflict),
    _rule(r"task", r"^clone failed: .*(already exists|File exists)", PveConflict),
    _rule(_FAILED, r"checksum mismatch", PveConflict),
    _rule(
        _FAILED, r"^VM \d+ (already running|not running|is not running)|^VM \d+ is running - ", PveConflict
    ),
    _rule(_FAILED, r"base volume .* is still in use by linked clone", PveConflict),
    # Locks: of the VM (a config property, or a file held by a running task), of a storage, of the cluster.
    _rule(_FAILED, r"VM is locked \(|can't lock file '/var/lock/qemu-server/lock-\d+\.conf'", PveLocked),
    _rule(_FAILED, r"can't lock file '/var/lock/pve-manager/", PveTransient),
    _rule(_FAILED, r"no quorum|cfs-lock '.*' error|'-locked command timed out", PveTransient),
    # Somewhere else.
    _rule(_FAILED, r"Configuration file '.*' does not exist|unable to find configuration file", PveNotHere),
    _rule(_FAILED, r"hostname lookup '.*' failed", PveUnreachable),
    # GPUs. A reservation of a starting VM ends by itself after its start timeout, all else does not.
    _rule(r"task|log", r"PCI device '.*' is currently reserved for use by VMID", PveTransient),
    _rule(r"task|log", r"device '.*' assigned more than once", PveBug),
    _rule(r"task|log", r"PCI device '.*' already in use|could not find a free device", PveDevice),
    _rule(_FAILED, r"PCI device mapping (not found|invalid)|^mapping '.*' not found", PveDevice),
    _rule(r"task|log", r"no PCI device found|could not create mediated device", PveDevice),
    _rule(r"task|log", r"[Cc]an(no|')t (un)?bind|IOMMU not present|failed to reset PCI device", PveDevice),
    # The host is full. Before the next rows: VFIO pins all memory of the guest and reports a lack of it as
    # its own.
    _rule(r"task|log", r"Cannot allocate memory|[Oo]ut of memory", PveCapacity),
    _rule(_FAILED + r"|log", r"not enough free space|out of space|No space left|quota exceeded", PveCapacity),
    _rule(_FAILED, r"lvcreate '.*' error|rbd create '.*' error", PveCapacity),
    _rule(r"log", r"vfio", PveDevice),
    # The guest agent.
    _rule(_ANY, r"QEMU guest agent is not running|q(ga|mp) command 'guest-.*' failed", PveAgentSilent),
    _rule(_ANY, r"^Agent error: .*(has been disabled|has not been found|failed to )", PveBug),
    _rule(_ANY, r"^Agent error: ", PveAgentSilent),
    _rule(_ANY, r"No QEMU guest agent configured", PveBug),
    # Set-up and parameters: nothing that waiting could cure.
    _rule(_FAILED, r"protection mode enabled", PveDenied),
    _rule(_FAILED, r"only root can set|used in HA resources", PveBug),
    _rule(_FAILED, r"storage '.*' is not online", PveTransient),
    _rule(_FAILED, r"storage '.*' (does not exist|is disabled|is not available)", PveBug),
    _rule(
        _FAILED,
        r"not supported|not allowed for linked clones|can't resize a cdrom|if it's a template",
        PveBug,
    ),
    _rule(_FAILED, r"q35 machine model is not enabled|vcpus allowed per VM", PveBug),
    _rule(_FAILED, r"(bridge|volume|disk|snapshot) '.*' does not exist|no such cluster node", PveBug),
    _rule(
        _FAILED, r"no options specified|key validation error|unable to parse|image size is too large", PveBug
    ),
    # A running VM takes options one by one: some may be set.
    _rule(r"change 400", r"hotplug problem", PveAmbiguous),
    # What the status alone says. 595 to 599 are PVE's own words for the hop to the node: 595 did not connect.
    _rule(r".* 595", r"", PveUnreachable),
    _rule(r"change 59[6-9]", r"", PveAmbiguous),
    _rule(r".* (501|505|506)", r"", PveBug),
    _rule(r".* (408|425|429|503)", r"", PveTransient),
    _rule(r".* 4\d\d", r"", PveBug),
    _rule(r"change 5\d\d", r"", PveAmbiguous),
    _rule(r"read 5\d\d", r"", PveTransient),
)

# Exit statuses that only say which program failed; the reason stands in the log.
_HIDES_CAUSE = re.compile(r"QEMU exited with code|failed: (exit code \d+|got timeout)")


def _first(where: str, text: str) -> type[PveError] | None:
    return next((r.kind for r in RULES if r.where.fullmatch(where) and r.text.search(text)), None)


def classify_http(status: int, text: str, *, change: bool) -> type[PveError]:
    """The error class of an HTTP answer with an error status; PveBug for one that no HTTP API gives."""
    return _first(f"{'change' if change else 'read'} {status}", text) or PveBug


def classify_task(exitstatus: str, log: Iterable[str]) -> type[PveError]:
    """The error class of a task that ended without OK, by its exit status or, if that hides it, its log.

    A text that is not in the table is PveTransient: PVE's workers undo what they began, so the task may be
    asked again; the caller bounds how often.
    """
    in_log = _first("log", "\n".join(log)) if _HIDES_CAUSE.search(exitstatus) else None
    return in_log or _first("task", exitstatus) or PveTransient
