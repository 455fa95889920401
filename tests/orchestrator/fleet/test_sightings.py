"""How a VM of ours appears in the listing of a cluster; a number alone proves nothing."""

from dataclasses import replace
from uuid import UUID

import pytest

from orchestrator.fleet.sightings import GuestSeen, NodeSeen, Shown, Snapshot, marked, marker, shown, vm_name

VM_ID = UUID("01234567-89ab-cdef-0123-456789abcdef")
UP = {"pve1": NodeSeen(online=True), "pve2": NodeSeen(online=True), "pve3": NodeSeen(online=False)}
OURS = GuestSeen(100001, "pve1", vm_name(VM_ID), "running", tags=("innkeeper",))


def appears(guest: GuestSeen | None) -> Shown:
    guests = {} if guest is None else {guest.vmid: guest}
    return shown(Snapshot(UP, guests), vm_id=VM_ID, vmid=100001, node="pve1")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Shown.RUNNING),
        ({"status": "stopped"}, Shown.STOPPED),
        ({"status": "unknown"}, Shown.UNKNOWN),
        ({"name": "renamed"}, Shown.RUNNING),
        ({"tags": ()}, Shown.RUNNING),
        ({"name": "renamed", "tags": ()}, Shown.FOREIGN),
        ({"name": "web", "tags": ("prod",), "pool": "innkeeper"}, Shown.FOREIGN),
        ({"name": ""}, Shown.UNKNOWN),
        ({"lock": "backup", "status": "stopped"}, Shown.UNKNOWN),
        ({"node": "pve2"}, Shown.ELSEWHERE),
        ({"node": "pve3"}, Shown.UNKNOWN),
        ({"node": "pve9"}, Shown.UNKNOWN),
        ({"vmid": 100002}, Shown.ABSENT),
    ],
)
def test_a_guest(changes: dict[str, object], expected: Shown) -> None:
    assert appears(replace(OURS, **changes)) is expected


def test_nothing_at_all() -> None:
    assert appears(None) is Shown.ABSENT


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        (marker(VM_ID), VM_ID),
        (f"a note\n{marker(VM_ID)}\nmore", VM_ID),
        (f"see {marker(VM_ID)}", None),
        (f"{marker(VM_ID)}0", None),
        ("innkeeper:nobody", None),
        ("", None),
    ],
)
def test_a_marker_is_a_line_of_its_own(description: str, expected: UUID | None) -> None:
    assert marked(description) == expected
