"""What differs between PVE and the store, as tables; what is not proven to be ours is never acted on."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from orchestrator.fleet.comparison import (
    Card,
    ConfigSeen,
    Destroy,
    Difference,
    Found,
    GiveUpClaims,
    Kind,
    Lift,
    Number,
    Quarantine,
    Record,
    Seen,
    Store,
)
from orchestrator.fleet.differences import differences
from orchestrator.fleet.sightings import GuestSeen, NodeSeen, Snapshot, vm_name
from orchestrator.vms.statuses import Status

VM, OTHER, STRANGER = UUID(int=1), UUID(int=2), UUID(int=3)
VMID, OLD, FREE = 100_001, 100_000, 100_777
NODES = {"pve1": NodeSeen(online=True), "pve2": NodeSeen(online=True)}
RECORD = Record(VM, VMID, "pve1", Status.RUNNING, "on_demand", quiet=True)
GUEST = GuestSeen(VMID, "pve1", vm_name(VM), "running")
CARD = Card("vm01", "pve1", "gpu-0")
MARKED = ConfigSeen(VM)
STUB = ConfigSeen(None, stub=True)


def store(record: Record = RECORD, **changes: Any) -> Store:
    numbers = {VMID: Number(VM), OLD: Number(VM, given_up=True)}
    whole = Store(100_000, 199_999, {VM: record}, numbers, (CARD,))
    return replace(whole, **changes)


def seen(*guests: GuestSeen, config: ConfigSeen = MARKED, **changes: Any) -> Seen:
    found = Snapshot(NODES, {guest.vmid: guest for guest in guests})
    return replace(Seen(found, {guest.vmid: config for guest in guests}), **changes)


def short(decided: list[Difference]) -> list[Any]:
    return [each.kind if isinstance(each, Found) else each for each in decided]


DESTROYED = replace(RECORD, status=Status.DESTROYED)
FAILED = replace(RECORD, status=Status.FAILED)


class TestGuests:
    @pytest.mark.parametrize(
        ("record", "guest", "config", "expected"),
        [
            (RECORD, GUEST, MARKED, []),
            (RECORD, replace(GUEST, node="pve2"), MARKED, [Kind.WRONG_NODE]),
            (replace(RECORD, quiet=False), replace(GUEST, node="pve2"), MARKED, []),
            (DESTROYED, GUEST, MARKED, [Destroy(VM)]),
            (FAILED, replace(GUEST, status="stopped", lock="backup"), MARKED, [Destroy(VM)]),
            (replace(DESTROYED, quiet=False), GUEST, MARKED, []),
            (DESTROYED, replace(GUEST, lock="clone"), MARKED, [Kind.STUCK_CLONE]),
            (RECORD, replace(GUEST, lock="clone"), MARKED, [Kind.STUCK_CLONE]),
            (replace(RECORD, quiet=False), replace(GUEST, lock="clone"), MARKED, []),
            # Another number with the marker of a known VM.
            (RECORD, replace(GUEST, vmid=OLD), MARKED, [Kind.LEFTOVER_VM]),
            (replace(RECORD, quiet=False), replace(GUEST, vmid=OLD), MARKED, [Kind.LEFTOVER_VM]),
            (DESTROYED, replace(GUEST, vmid=OLD, lock="clone"), MARKED, [Kind.STUCK_CLONE]),
            (RECORD, replace(GUEST, vmid=FREE), MARKED, [Kind.COPIED_MARKER]),
            # The marker of nobody.
            (RECORD, replace(GUEST, vmid=FREE), ConfigSeen(STRANGER), [Kind.UNKNOWN_VM]),
            (RECORD, GUEST, ConfigSeen(STRANGER), [Kind.UNKNOWN_VM]),
            # No marker at all.
            (RECORD, GUEST, ConfigSeen(), [Kind.NOT_OURS]),
            (replace(RECORD, quiet=False), GUEST, ConfigSeen(), []),
            (DESTROYED, GUEST, ConfigSeen(), []),
            (RECORD, replace(GUEST, vmid=FREE), ConfigSeen(), []),
            (RECORD, replace(GUEST, vmid=OLD), ConfigSeen(), []),
            (RECORD, replace(GUEST, vmid=OLD, lock="clone"), STUB, [Kind.STUCK_CLONE]),
            (RECORD, replace(GUEST, lock="clone"), STUB, [Kind.STUCK_CLONE]),
            (replace(RECORD, quiet=False), replace(GUEST, lock="clone"), STUB, []),
            (RECORD, replace(GUEST, vmid=FREE, lock="clone"), STUB, []),
        ],
    )
    def test_a_guest_and_its_record(
        self, record: Record, guest: GuestSeen, config: ConfigSeen, expected: list[Any]
    ) -> None:
        assert short(differences(store(record), seen(guest, config=config))) == expected

    def test_a_number_that_was_just_given_up_is_left_alone(self) -> None:
        numbers = {VMID: Number(VM), OLD: Number(VM)}
        for config in (MARKED, STUB):
            guest = replace(GUEST, vmid=OLD, lock="clone")
            assert differences(store(numbers=numbers), seen(guest, config=config)) == []

    def test_what_a_task_is_making_is_left_alone(self) -> None:
        making = seen(replace(GUEST, lock="clone"), config=STUB, cloning=frozenset({VMID}))
        assert differences(store(), making) == []

    def test_a_guest_that_was_not_read_is_left_alone(self) -> None:
        assert differences(store(DESTROYED), seen(GUEST, configs={})) == []

    @pytest.mark.parametrize(
        ("guest", "config", "command"),
        [
            (replace(GUEST, lock="clone"), STUB, f"qm unlock {VMID} && qm destroy {VMID} --purge"),
            (replace(GUEST, vmid=OLD), MARKED, f"qm stop {OLD} && qm destroy {OLD} --purge"),
            (replace(GUEST, vmid=OLD, lock="x"), MARKED, f"qm unlock {OLD} && qm destroy {OLD} --purge"),
            (replace(GUEST, node="pve2"), MARKED, f"qm migrate {VMID} pve1"),
            (GUEST, ConfigSeen(STRANGER), None),
            (GUEST, ConfigSeen(), None),
        ],
    )
    def test_the_command_is_exact(self, guest: GuestSeen, config: ConfigSeen, command: str | None) -> None:
        [found] = differences(store(), seen(guest, config=config))
        assert isinstance(found, Found)
        assert (found.command, found.node, found.vmid) == (command, guest.node, guest.vmid)
        assert found.key == f"{found.kind}:{guest.vmid}"


class TestRecords:
    @pytest.mark.parametrize(
        ("changes", "in_use", "expected"),
        [
            ({"claims": 1}, {}, []),
            ({"claims": 1, "status": Status.STOPPED}, {}, [GiveUpClaims(VM)]),
            ({"claims": 1, "status": Status.INTERRUPTED}, {}, [GiveUpClaims(VM)]),
            ({"claims": 1, "status": Status.STOPPED, "rental_type": "reserved"}, {}, []),
            ({"claims": 1, "status": Status.STOPPED, "quiet": False}, {}, []),
            ({"claims": 1, "status": Status.OFFLINE}, {}, []),
            ({"missing": True}, {VMID: False}, [Kind.VM_MISSING]),
            ({"missing": True}, {VMID: True}, [Kind.HIDDEN_VM]),
            ({"missing": True}, {}, []),
            ({"missing": True, "quiet": False}, {VMID: False}, []),
            ({"missing": True, "status": Status.DESTROYED}, {VMID: False}, []),
            ({}, {VMID: False}, []),
        ],
    )
    def test_a_record_without_a_guest(
        self, changes: dict[str, Any], in_use: dict[int, bool], expected: list[Any]
    ) -> None:
        assert short(differences(store(replace(RECORD, **changes)), seen(in_use=in_use))) == expected

    def test_one_that_is_listed_by_now_is_not_missing(self) -> None:
        record = replace(RECORD, missing=True)
        assert differences(store(record), seen(GUEST, in_use={VMID: True})) == []


class TestDisks:
    @pytest.mark.parametrize(
        ("vmid", "record", "in_use", "expected"),
        [
            (VMID, RECORD, {VMID: False}, []),
            (VMID, DESTROYED, {VMID: False}, [Kind.LEFTOVER_DISK]),
            (VMID, FAILED, {VMID: False}, [Kind.LEFTOVER_DISK]),
            (VMID, DESTROYED, {VMID: True}, [Kind.STUCK_CLONE]),
            (VMID, DESTROYED, {}, []),
            (VMID, replace(DESTROYED, quiet=False), {VMID: False}, []),
            (OLD, RECORD, {OLD: False}, [Kind.LEFTOVER_DISK]),
            (OLD, replace(RECORD, quiet=False), {OLD: True}, [Kind.STUCK_CLONE]),
            (FREE, RECORD, {FREE: False}, [Kind.LEFTOVER_DISK]),
            (200_000, RECORD, {200_000: False}, []),
            (9000, RECORD, {9000: False}, []),
        ],
    )
    def test_a_disk_of_nobody(
        self, vmid: int, record: Record, in_use: dict[int, bool], expected: list[Any]
    ) -> None:
        disks = [("pve1", f"fast:vm-{vmid}-disk-0", vmid)]
        assert short(differences(store(record), seen(volumes=disks, in_use=in_use))) == expected

    def test_the_command_names_the_disk_and_only_what_was_ours(self) -> None:
        disks = [("pve1", f"fast:vm-{vmid}-disk-0", vmid) for vmid in (VMID, FREE)]
        ours, strange = differences(store(DESTROYED), seen(volumes=disks, in_use={VMID: False, FREE: False}))
        assert isinstance(ours, Found)
        assert ours.command == f"pvesm free fast:vm-{VMID}-disk-0"
        assert isinstance(strange, Found)
        assert strange.command is None

    def test_a_disk_of_a_guest_that_is_there_is_its_own(self) -> None:
        disks = [("pve1", f"fast:vm-{VMID}-disk-0", VMID)]
        assert differences(store(), seen(GUEST, volumes=disks)) == []


class TestCards:
    FOREIGN = GuestSeen(555, "pve1", "web", "running")

    def held(self, card: Card, guest: GuestSeen, config: ConfigSeen) -> list[Any]:
        return short(differences(store(cards=(card,)), seen(guest, config=config)))

    def test_one_that_a_foreign_vm_runs_with_is_quarantined(self) -> None:
        config = ConfigSeen(cards=("gpu-0",))
        [act, kind] = self.held(CARD, self.FOREIGN, config)
        assert kind is Kind.GPU_HELD
        assert isinstance(act, Quarantine)
        assert (act.node_id, act.mapping, act.cause) == ("vm01", "gpu-0", "foreign")
        assert act.reason == "VM 555 (web), which is not Innkeeper's, runs with gpu-0"

    @pytest.mark.parametrize(
        ("card", "guest", "config", "expected"),
        [
            (replace(CARD, cause="foreign"), FOREIGN, ConfigSeen(cards=("gpu-0",)), [Kind.GPU_HELD]),
            (CARD, replace(FOREIGN, status="stopped"), ConfigSeen(cards=("gpu-0",)), []),
            (CARD, replace(FOREIGN, node="pve2"), ConfigSeen(cards=("gpu-0",)), []),
            (CARD, FOREIGN, ConfigSeen(cards=("gpu-9",)), []),
            (CARD, GUEST, ConfigSeen(VM, cards=("gpu-0",)), []),
            (CARD, replace(GUEST, vmid=OLD), ConfigSeen(VM, cards=("gpu-0",)), [Kind.LEFTOVER_VM]),
            (CARD, GUEST, ConfigSeen(cards=("gpu-0",)), [Kind.NOT_OURS]),
        ],
    )
    def test_who_holds_one(
        self, card: Card, guest: GuestSeen, config: ConfigSeen, expected: list[Any]
    ) -> None:
        assert self.held(card, guest, config) == expected

    @pytest.mark.parametrize(
        "config", [ConfigSeen(STRANGER, cards=("gpu-0",)), ConfigSeen(VM, cards=("gpu-0",))]
    )
    def test_a_vm_with_a_marker_that_is_not_its_own_is_foreign(self, config: ConfigSeen) -> None:
        held = self.held(CARD, replace(self.FOREIGN, vmid=FREE), config)
        assert [each for each in held if isinstance(each, Quarantine)]

    @pytest.mark.parametrize("vmid", [OLD, VMID])
    def test_a_stranger_under_a_number_that_is_not_needed_any_more_is_foreign(self, vmid: int) -> None:
        config, guest = ConfigSeen(cards=("gpu-0",)), replace(self.FOREIGN, vmid=vmid)
        [act, kind] = short(differences(store(DESTROYED), seen(guest, config=config)))
        assert (type(act), kind) == (Quarantine, Kind.GPU_HELD)

    @pytest.mark.parametrize(
        ("cause", "problems", "expected"),
        [
            (None, {}, []),
            (None, {"gpu-0": ("'id' differs", "no such device")}, [
                Quarantine("vm01", "gpu-0", "mapping", "'id' differs; no such device")
            ]),
            ("mapping", {"gpu-0": ("'id' differs",)}, []),
            ("mapping", {}, [Lift("vm01", "gpu-0")]),
            ("start", {}, []),
            ("foreign", {}, []),
            ("operator", {}, []),
        ],
    )  # fmt: skip
    def test_its_mapping(
        self, cause: str | None, problems: dict[str, tuple[str, ...]], expected: list[Difference]
    ) -> None:
        checked = seen(mappings={"pve1": problems})
        assert differences(store(cards=(replace(CARD, cause=cause),)), checked) == expected

    def test_one_of_a_node_that_was_not_checked_stays_as_it_is(self) -> None:
        assert differences(store(cards=(replace(CARD, cause="mapping"),)), seen()) == []


def test_a_node_that_could_not_be_read_is_told_unless_it_is_known_why() -> None:
    [found] = differences(store(), seen(unread={"pve1": "PVE answers 403", "pve2": None}))
    assert isinstance(found, Found)
    assert (found.kind, found.node) == (Kind.UNREADABLE, "pve1")
    assert "PVE answers 403" in found.text


def test_nothing_is_ever_done_to_a_guest_that_is_not_ours() -> None:
    """Whatever the store has: of a guest with another VM's marker, or with none, no operation comes."""
    for config in (ConfigSeen(), ConfigSeen(STRANGER), ConfigSeen(OTHER), STUB):
        for record in (RECORD, DESTROYED, FAILED):
            for vmid in (VMID, OLD, FREE, 555):
                guest = replace(GUEST, vmid=vmid, lock="clone")
                decided = differences(store(record), seen(guest, config=config))
                assert all(isinstance(each, Found) for each in decided)
