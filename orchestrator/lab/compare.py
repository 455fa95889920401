"""Comparing policies: each on the same requests, once for each salt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from orchestrator.lab.machine import Machine
from orchestrator.lab.metrics import Run
from orchestrator.lab.policies import POLICIES
from orchestrator.lab.trace import DAY, Request, is_interruptible, until
from orchestrator.lab.vms import Variant


@dataclass(frozen=True)
class Setting:
    """What all arms share. `share`: of interruptible requests, where the trace has no classes of its own.

    Days count from the trace's zero; requests before `from_day` warm the machine up. `saves`: guests save
    their work within the notice. `shortest`: requests that run for fewer seconds are left out.
    """

    nodes: int
    variant: Variant
    share: float
    from_day: float
    to_day: float
    salts: tuple[str, ...]
    saves: bool = False
    shortest: float = 0.0

    @property
    def window(self) -> tuple[float, float]:
        """In seconds."""
        return self.from_day * DAY, self.to_day * DAY


Told = Callable[[str, str, float], None]
"""Hears policy, salt, and which share of the run is done."""
TOLD_EACH = 500
"""Arrivals."""


def compare(
    requests: Sequence[Request], setting: Setting, policies: Sequence[str], told: Told
) -> dict[str, list[Run]]:
    """The metrics of each policy: one run for each salt, in order."""
    return {name: [_run(requests, setting, name, salt, told) for salt in setting.salts] for name in policies}


def _run(requests: Sequence[Request], setting: Setting, name: str, salt: str, told: Told) -> Run:
    begin, end = setting.window
    labelled = [
        (request, is_interruptible(request, salt, setting.share))
        for request in until(requests, end)
        if request.seconds >= setting.shortest
    ]
    arrivals = count()

    def arrived(at: float) -> None:
        if next(arrivals) % TOLD_EACH == 0:
            told(name, salt, at / end)

    machine = Machine(
        labelled,
        nodes=setting.nodes,
        policy=POLICIES[name],
        variant=setting.variant,
        window=(begin, end),
        seed=salt,
        saves=setting.saves,
    )
    run = machine.run(arrived)
    told(name, salt, 1)
    return run
