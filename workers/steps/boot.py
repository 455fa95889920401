"""Boot: start the VM with its GPUs and believe it only when PVE shows it running."""

from orchestrator.errors import PveAmbiguous, PveDevice
from orchestrator.fleet import strikes
from workers.outcomes import Done
from workers.steps import cards
from workers.steps.ownership import require_in_place
from workers.steps.tasks import Task, run_if_needed
from workers.work import Work

MARGIN_SECONDS = 60


def start_timeout(ram_gb: int, *, nics: int = 1) -> int:
    """PVE's own start timeout with passthrough, in seconds: max(30, memory in GiB) × 4, and 5 a NIC
    (qemu-server 9.2, `Helpers.pm`): all guest memory is pinned before the guest runs."""
    return max(30, ram_gb) * 4 + 5 * nics


def boot(work: Work) -> Done:
    """Start the VM, with its own GPUs, unless it runs. A GPU that PVE cannot hand over is quarantined."""
    node, config = require_in_place(work)
    vmid, seconds = work.job.vmid, start_timeout(work.job.ram_gb)

    def is_off() -> bool:
        if work.pve.vm_status(node, vmid).running:
            return False
        cards.put_right(work, node, config)
        return True

    result = run_if_needed(
        work,
        Task.START,
        node,
        lambda: work.pve.start(node, vmid, seconds),
        needed=is_off,
        deadline_seconds=seconds + MARGIN_SECONDS,
        what=f"Starting VM {vmid} on node {node}",
    )
    if result is None:
        return Done(strikes.clear)
    if work.pve.vm_status(node, vmid).running:
        if result.reset_failed:
            _quarantine(work, node, "its reset failed at a start", result.reset_failed)
        return Done(strikes.clear)
    if result.ok:
        raise PveAmbiguous(f"The start task of VM {vmid} ended well, but the VM does not run.")
    error = result.error()
    if isinstance(error, PveDevice):
        _quarantine(work, node, f"VM {vmid} could not be started with it", result.log_tail)
    raise error


def _quarantine(work: Work, node: str, because: str, lines: tuple[str, ...]) -> None:
    """Quarantine the cards that `lines` name by PCI address or mapping; a lone card needs no naming.

    Of several without a name all are suspected.
    """
    mappings = tuple(work.job.mappings.values())
    addresses = work.pve.mapping_addresses(node, mappings)
    text = "\n".join(lines)
    named = [
        mapping
        for mapping in mappings
        if f"'{mapping}'" in text or any(address in text for address in addresses.get(mapping, ()))
    ]
    certain = named or (mappings if len(mappings) == 1 else ())
    for mapping in certain:
        work.quarantine(mapping, because)
    if not certain:
        work.strike(because)
