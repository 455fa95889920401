"""Who could be displaced, and who is: on the node that was named (N, F), or where it harms least (P)."""

import random
from collections.abc import Sequence

from orchestrator.lab.fleet import Nodes
from orchestrator.lab.policies import CHECKPOINT_SECONDS, Choose, Policy
from orchestrator.lab.vms import Variant, Vm
from orchestrator.policy.victims import Candidate

Found = tuple[int, tuple[Candidate, ...]]
"""A node, and its victims."""


class Displaceable:
    """Interruptible VMs that run without notice, by node."""

    def __init__(self, nodes: Nodes, policy: Policy, variant: Variant, rng: random.Random) -> None:
        self._nodes = nodes
        self._policy = policy
        self._variant = variant
        self._rng = rng
        self._vms: list[dict[str, Vm]] = [{} for _ in range(nodes.count)]

    def add(self, vm: Vm) -> None:
        self._vms[vm.node][vm.id] = vm
        self._nodes.reachable.change(vm.node, vm.gpus)

    def remove(self, vm: Vm) -> None:
        """No matter whether it is among them."""
        if self._vms[vm.node].pop(vm.id, None) is not None:
            self._nodes.reachable.change(vm.node, -vm.gpus)

    def choose(self, newcomer: Vm, now: float) -> Found | None:
        """Where it can have its GPUs, and from whom; None: nowhere, or nobody is ever displaced.

        Raises ValueError when the policy finds too few victims though there are enough.
        """
        choose, gpus = self._policy.choose, newcomer.gpus
        if choose is None:
            return None
        if self._variant != "P":
            node = self._nodes.reachable.best_fit(gpus, newcomer.wants)
            return None if node is None else (node, self._victims(choose, node, gpus, now))
        found = [
            (node, self._victims(choose, node, gpus, now)) for node in self._nodes.reachable.fitting(gpus)
        ]
        return min(found, key=lambda one: self._harm(gpus, one), default=None)

    def _victims(self, choose: Choose, node: int, gpus: int, now: float) -> tuple[Candidate, ...]:
        need = gpus - self._nodes.free.of[node]
        candidates = [
            Candidate(vm.id, vm.gpus, now - vm.started, vm.recent(now)) for vm in self._vms[node].values()
        ]
        chosen = choose(candidates, need, self._rng)
        if chosen is None or _freed(chosen) < need:
            raise ValueError(f"the policy found no victims for {need} GPUs of node {node}")
        return chosen

    def _harm(self, gpus: int, found: Found) -> tuple[float, ...]:
        """GPUs beyond the need, VMs, lost work; of nodes that are alike the fullest."""
        node, victims = found
        lost = sum(one.gpus * (one.lost_seconds % CHECKPOINT_SECONDS) for one in victims)
        beyond = self._nodes.free.of[node] + _freed(victims) - gpus
        order = (lost, beyond, len(victims)) if self._policy.lost_work_first else (beyond, len(victims), lost)
        return *order, self._nodes.reachable.of[node]


def _freed(victims: Sequence[Candidate]) -> int:
    return sum(one.gpus for one in victims)
