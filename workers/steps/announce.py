"""Announce: tell the guest that it will be interrupted, and give it the whole notice."""

import json
from typing import Any

from orchestrator.errors import PveConflict, PveError
from orchestrator.vms.moments import utc
from workers.job import Notice
from workers.outcomes import Done, Later, Outcome
from workers.steps.ownership import require_ours
from workers.work import Work

GUEST_FILE = "/run/innkeeper-interruption.json"
"""In memory on every Linux with systemd: gone with the shutdown it announces."""
PRECISE_SECONDS = 8
"""The last part of the notice is waited for by the message itself, to the tenth of a second; what comes
before by the wake duty, which looks every other second."""


def announce(work: Work) -> Outcome:
    """Tell once, whoever listens; then the step ends with the notice, by the database's clock."""
    notice = work.job.notice
    if notice is None:
        raise PveConflict(f"VM {work.job.vmid} is to be interrupted, but no notice was given.")
    if work.memo.get("told") is None:
        _tell(work, notice)
        work.remember(told=True)
        return Later(0)  # telling took its time: what is left is measured anew
    left = notice.seconds_left
    if left > PRECISE_SECONDS:
        return Later(left - PRECISE_SECONDS)
    return Later(left) if left > 0 else Done()


def _tell(work: Work, notice: Notice) -> None:
    """Best effort: a guest or a webhook that does not answer delays nothing but itself."""
    job, event = work.job, _event(notice)
    if work.webhook is not None and not work.webhook.tell(
        event | {"vm_id": str(job.vm_id), "vmid": job.vmid, "node": job.place.node_id}
    ):
        work.note("the webhook did not take the news of the interruption")
    try:
        node, _ = require_ours(work)
        work.act(work.pve.write_guest_file, node, job.vmid, GUEST_FILE, json.dumps(event) + "\n")
    except PveError as error:
        work.note(f"the guest could not be told of its interruption: {error}")
    else:
        work.note(f"the guest was told of its interruption in {GUEST_FILE}")


def _event(notice: Notice) -> dict[str, Any]:
    return {
        "event": "interruption",
        "id": str(notice.id),
        "interrupt_at": utc(notice.until),
        "cause": notice.cause,
        "preempted_by_vm_id": None if notice.displaced_by is None else str(notice.displaced_by),
    }
