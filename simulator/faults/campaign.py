"""All faults at once, each with the same small probability: for those who want to know what they survive."""

from collections.abc import Collection

from simulator.faults.catalogue import CATALOGUE, Moment
from simulator.faults.injector import Fault

ONCE_PER_START = r"/status/start$"
"""Events strike at starts: at any request they would strike dozens of times per VM."""

AWAY = {"node_down": 300, "node_reboot": 120, "quorum_lost": 60, "token_revoked": 60}
"""Simulated seconds after which the cluster recovers from what would otherwise last."""


def campaign(probability: float, without: Collection[str] = ()) -> list[Fault]:
    """Every fault of the catalogue, armed for good."""
    return [
        Fault(
            name,
            path=ONCE_PER_START if kind.moment == Moment.EVENT else None,
            times=None,
            probability=probability,
            seconds=AWAY.get(name),
        )
        for name, kind in CATALOGUE.items()
        if name not in without
    ]
