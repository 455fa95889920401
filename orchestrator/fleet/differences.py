"""What differs between a hypervisor cluster and the store, and what may be done about it. Pure.

Only what is proven to be ours is acted on, and only by operations whose steps prove it again. All else is a
finding for an operator. A VM that has an operation, or has just had one, is left alone.
"""

from collections.abc import Iterator

from orchestrator.fleet import reports
from orchestrator.fleet.comparison import (
    Card,
    ConfigSeen,
    Destroy,
    Difference,
    GiveUpClaims,
    Lift,
    Quarantine,
    Record,
    Seen,
    Store,
)
from orchestrator.fleet.sightings import GuestSeen
from orchestrator.vms.statuses import Status

CLONE_LOCK = "clone"
AT_REST = (Status.STOPPED, Status.INTERRUPTED)


def differences(store: Store, seen: Seen) -> list[Difference]:
    """Everything that differs."""
    return [
        *(each for guest in seen.snapshot.guests.values() for each in _of_guest(store, seen, guest)),
        *(each for record in store.records.values() for each in _of_record(record, seen)),
        *(each for volume in seen.volumes for each in _of_volume(store, seen, *volume)),
        *(each for card in store.cards for each in _of_card(card, seen)),
        *(reports.unreadable(node, why) for node, why in seen.unread.items() if why is not None),
    ]


def _of_guest(store: Store, seen: Seen, guest: GuestSeen) -> Iterator[Difference]:
    config = seen.configs.get(guest.vmid)
    if config is None or guest.vmid in seen.cloning:
        return
    number = store.numbers.get(guest.vmid)
    if guest.status == "running" and not _may_be_ours(store, guest, config):
        yield from _held_by_others(store, guest, config)
    if config.marker is None:
        yield from _unmarked(store, guest, config)
        return
    record = store.records.get(config.marker)
    if record is None:
        yield reports.unknown_vm(guest, config.marker)
    elif number is None or number.vm_id != record.vm_id:
        yield reports.copied_marker(guest, record)
    elif guest.vmid != record.vmid:
        if number.given_up and guest.lock == CLONE_LOCK:
            yield reports.stuck_clone(guest.vmid, guest.node, record.vm_id)
        elif number.given_up:
            yield reports.leftover_vm(guest, record)
    elif record.quiet:
        yield from _marked(guest, record)


def _may_be_ours(store: Store, guest: GuestSeen, config: ConfigSeen) -> bool:
    """Whether a guest is what we made under its number, or stands where a VM of ours should, whose cards are
    claimed as long as it may be that one."""
    number = store.numbers.get(guest.vmid)
    record = store.records.get(number.vm_id) if number else None
    if number is None or record is None:
        return False
    return config.marker == number.vm_id or (record.vmid == guest.vmid and not record.ended)


def _marked(guest: GuestSeen, record: Record) -> Iterator[Difference]:
    """The VM of the record, under the number that it has."""
    if guest.lock == CLONE_LOCK:
        yield reports.stuck_clone(guest.vmid, guest.node, record.vm_id)
    elif record.ended:
        yield Destroy(record.vm_id)
    elif guest.node != record.node:
        yield reports.wrong_node(guest, record)


def _unmarked(store: Store, guest: GuestSeen, config: ConfigSeen) -> Iterator[Difference]:
    """Not ours, as far as can be told; under one of our numbers it may be what a killed clone left."""
    number = store.numbers.get(guest.vmid)
    record = store.records.get(number.vm_id) if number else None
    if number is None or record is None:
        return
    present = record.vmid == guest.vmid
    if not (record.quiet if present else number.given_up):
        return
    if guest.lock == CLONE_LOCK and config.stub:
        yield reports.stuck_clone(guest.vmid, guest.node, record.vm_id)
    elif present and not record.ended:
        yield reports.not_ours(guest, record)


def _held_by_others(store: Store, guest: GuestSeen, config: ConfigSeen) -> Iterator[Difference]:
    for card in store.cards:
        if card.node == guest.node and card.mapping in config.cards:
            if card.cause is None:
                yield Quarantine(card.node_id, card.mapping, "foreign", reports.holder(guest, card))
            yield reports.held_card(guest, card)


def _of_record(record: Record, seen: Seen) -> Iterator[Difference]:
    if not record.quiet or record.ended:
        return
    if record.claims and record.status in AT_REST and record.rental_type != "reserved":
        yield GiveUpClaims(record.vm_id)
    if record.missing and record.vmid in seen.in_use and record.vmid not in seen.snapshot.guests:
        hidden = seen.in_use[record.vmid]
        yield reports.hidden_vm(record) if hidden else reports.vm_missing(record)


def _of_volume(store: Store, seen: Seen, node: str, volume: str, vmid: int) -> Iterator[Difference]:
    """Of our range, and of no VM that can be seen."""
    if not store.first <= vmid <= store.last or vmid in seen.snapshot.guests or vmid in seen.cloning:
        return
    number = store.numbers.get(vmid)
    record = store.records.get(number.vm_id) if number else None
    if number is None or record is None:
        yield reports.strange_disk(node, volume, vmid)
        return
    nobodys = number.given_up or (record.ended and record.quiet and record.vmid == vmid)
    if nobodys and vmid in seen.in_use:
        stuck = seen.in_use[vmid]
        yield (
            reports.stuck_clone(vmid, node, record.vm_id)
            if stuck
            else reports.leftover_disk(node, volume, vmid, record.vm_id)
        )


def _of_card(card: Card, seen: Seen) -> Iterator[Difference]:
    if (checked := seen.mappings.get(card.node)) is None:
        return
    problems = checked.get(card.mapping, ())
    if problems and card.cause is None:
        yield Quarantine(card.node_id, card.mapping, "mapping", "; ".join(problems))
    elif not problems and card.cause == "mapping":
        yield Lift(card.node_id, card.mapping)
