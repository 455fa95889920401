"""Which cards: a pure choice over the free ones of a node."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """A free GPU and where it sits: `numa_node` and `pcie_root` are the operator's words, PVE has none."""

    id: int
    mapping: str
    numa_node: int
    pcie_root: str


def choose(free: Sequence[Card], count: int) -> tuple[Card, ...] | None:
    """`count` cards that are close to each other and leave the largest close groups whole; None: too few.

    One PCIe root that fits most tightly, else one NUMA node that fits most tightly, else as few NUMA nodes as
    possible. Inside the chosen group the roots that are most used up go first. The result is ordered by id.
    """
    if len(free) < count:
        return None
    for key in (_root, _numa):
        fitting = [group for group in _groups(free, key) if len(group) >= count]
        if fitting:
            return _fill(min(fitting, key=_tightness), count)
    chosen: list[Card] = []
    for group in sorted(_groups(free, _numa), key=lambda group: (-len(group), group[0].id)):
        chosen += _fill(group, min(len(group), count - len(chosen)))
    return tuple(sorted(chosen, key=lambda card: card.id))


def _fill(group: Sequence[Card], count: int) -> tuple[Card, ...]:
    """`count` cards of a group, taken from the smallest PCIe roots first."""
    by_root = sorted(_groups(group, _root), key=_tightness)
    ordered = [card for root in by_root for card in root]
    return tuple(sorted(ordered[:count], key=lambda card: card.id))


def _groups(cards: Sequence[Card], key: Callable[[Card], Hashable]) -> list[list[Card]]:
    groups: dict[Hashable, list[Card]] = defaultdict(list)
    for card in sorted(cards, key=lambda card: card.id):
        groups[key(card)].append(card)
    return list(groups.values())


def _root(card: Card) -> Hashable:
    return card.numa_node, card.pcie_root


def _numa(card: Card) -> Hashable:
    return card.numa_node


def _tightness(group: Sequence[Card]) -> tuple[int, int]:
    return len(group), group[0].id
