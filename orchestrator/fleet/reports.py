"""The findings in words: what an operator sees, and the command to run after a look."""

from uuid import UUID

from orchestrator.fleet.comparison import Card, Found, Kind, Record
from orchestrator.fleet.sightings import GuestSeen, marker


def unknown_vm(guest: GuestSeen, claimed: UUID) -> Found:
    """Our marker with the UUID of no VM that we know."""
    text = (
        f"VM {guest.vmid} on node {guest.node} is marked as ours ({claimed}), and no such VM is known, as "
        "after restoring an older backup of the database: keep it or remove it by hand."
    )
    return _of(Kind.UNKNOWN_VM, guest, claimed, text)


def copied_marker(guest: GuestSeen, record: Record) -> Found:
    """The marker of a VM of ours, under a number that this VM never had."""
    text = (
        f"VM {guest.vmid} on node {guest.node} has the marker of VM {record.vm_id} (VMID {record.vmid}) "
        "and was not made by Innkeeper: take that line out of its description."
    )
    return _of(Kind.COPIED_MARKER, guest, record.vm_id, text)


def leftover_vm(guest: GuestSeen, record: Record) -> Found:
    """A VM of ours under a number that was given up."""
    text = (
        f"VM {guest.vmid} on node {guest.node} is left of VM {record.vm_id}, whose VMID is {record.vmid} now."
    )
    locked = unlock_and_destroy(guest.vmid)
    command = locked if guest.lock else f"qm stop {guest.vmid} && qm destroy {guest.vmid} --purge"
    return _of(Kind.LEFTOVER_VM, guest, record.vm_id, text, command)


def stuck_clone(vmid: int, node: str, vm_id: UUID) -> Found:
    """A VM that no token may unlock."""
    text = f"VM {vmid} on node {node} was left by a killed clone for VM {vm_id}; no token may unlock it."
    return Found(Kind.STUCK_CLONE, str(vmid), text, node, vmid, vm_id, unlock_and_destroy(vmid))


def unlock_and_destroy(vmid: int) -> str:
    """What root runs to remove a VM with a lock that nobody holds."""
    return f"qm unlock {vmid} && qm destroy {vmid} --purge"


def wrong_node(guest: GuestSeen, record: Record) -> Found:
    """Ours, and moved away from its GPUs."""
    text = f"VM {guest.vmid} ({record.vm_id}) is on node {guest.node}, and its GPUs are on {record.node}."
    command = f"qm migrate {guest.vmid} {record.node}"
    return _of(Kind.WRONG_NODE, guest, record.vm_id, text, command)


def not_ours(guest: GuestSeen, record: Record) -> Found:
    """The number of a VM of ours, without its marker."""
    text = (
        f"VM {guest.vmid} on node {guest.node} does not have the marker of VM {record.vm_id} (any more). If "
        f"it is that VM, its description needs the line {marker(record.vm_id)}."
    )
    return _of(Kind.NOT_OURS, guest, record.vm_id, text)


def held_card(guest: GuestSeen, card: Card) -> Found:
    """A GPU of ours that a VM of somebody else runs with."""
    text = (
        f"{holder(guest, card)} on node {card.node}: stop it and run the command, or take the GPU out of the "
        "catalog."
    )
    command = f"innkeeper gpu release {card.node_id} {card.mapping}"
    about = f"{card.node}/{card.mapping}"
    return Found(Kind.GPU_HELD, about, text, card.node, guest.vmid, command=command)


def holder(guest: GuestSeen, card: Card) -> str:
    """Who has the card."""
    return f"VM {guest.vmid} ({guest.name}), which is not Innkeeper's, runs with {card.mapping}"


def vm_missing(record: Record) -> Found:
    """A VM of ours that does not exist."""
    text = (
        f"VM {record.vmid} ({record.vm_id}) of node {record.node} does not exist. It is destroyed here too, "
        "unless so many are missing that endpoint or token may be those of another cluster."
    )
    return Found(Kind.VM_MISSING, str(record.vmid), text, record.node, record.vmid, record.vm_id)


def hidden_vm(record: Record) -> Found:
    """A VM of ours that is not listed and yet exists."""
    text = (
        f"VM {record.vmid} ({record.vm_id}) of node {record.node} exists, but the token may not see it: "
        "check its rights."
    )
    return Found(Kind.HIDDEN_VM, str(record.vmid), text, record.node, record.vmid, record.vm_id)


def leftover_disk(node: str, volume: str, vmid: int, vm_id: UUID) -> Found:
    """A disk of a VM that has ended."""
    text = f"Disk {volume} on node {node} is left of VM {vm_id}, and no VM has its number."
    return Found(Kind.LEFTOVER_DISK, volume, text, node, vmid, vm_id, f"pvesm free {volume}")


def strange_disk(node: str, volume: str, vmid: int) -> Found:
    """A disk with a number of ours that nobody was given."""
    text = (
        f"Disk {volume} on node {node} has a number of our range that was never given out: look whose it is."
    )
    return Found(Kind.LEFTOVER_DISK, volume, text, node, vmid)


def unreadable(node: str, why: str) -> Found:
    """A node about which nothing can be said."""
    return Found(Kind.UNREADABLE, node, f"Node {node} could not be compared with the store: {why}", node)


def _of(kind: Kind, guest: GuestSeen, vm_id: UUID, text: str, command: str | None = None) -> Found:
    return Found(kind, str(guest.vmid), text, guest.node, guest.vmid, vm_id, command)
