"""The machine model: requests, nodes and time. The decisions are those of the product, or of another policy.

An interruptible VM keeps its disk; an interruption loses what it did since its last hourly checkpoint, and
each restart costs a minute. A victim runs on for its notice, then its GPUs go straight to who waits. Who is
refused comes back whenever something is released, the oldest first, smaller ones may pass: paying requests
first, then interrupted VMs, then new interruptible requests.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

from orchestrator.lab import books
from orchestrator.lab.fleet import Nodes
from orchestrator.lab.metrics import Counts
from orchestrator.lab.policies import CHECKPOINT_SECONDS, Policy
from orchestrator.lab.reclaim import Displaceable
from orchestrator.lab.trace import Request, fixed_node
from orchestrator.lab.vms import Queue, Variant, Vm, Waiter
from orchestrator.policy.restore import Fleet, Interrupted, Verdict, admits_new, decide_restores
from orchestrator.policy.rules import DEMAND_SECONDS
from orchestrator.policy.victims import Candidate

NOTICE_SECONDS = 120.0
RESTART_SECONDS = 60.0
THRASH_SECONDS = 600.0


class Machine:
    """One run over requests (sorted by arrival) with their classes."""

    def __init__(
        self,
        requests: Sequence[tuple[Request, bool]],
        *,
        nodes: int,
        policy: Policy,
        variant: Variant,
        window: tuple[float, float],
        seed: str = "",
        saves: bool = False,
    ) -> None:
        """`saves`: guests save their work within the notice, so that an interruption loses none of it."""
        self.now = 0.0
        self.nodes = Nodes(nodes)
        self.counts = Counts(*window)
        self.vms: list[Vm] = []
        self.running: dict[str, Vm] = {}
        self.down: dict[str, Vm] = {}
        self.reclaiming: dict[str, Waiter] = {}
        """On-demand VMs whose GPUs are being reclaimed."""
        self.refused, self.waiting = Queue(), Queue()
        self.ended = 0
        rng = random.Random(seed)  # noqa: S311 (a reproducible draw)
        self._displaceable = Displaceable(self.nodes, policy, variant, rng)
        self._requests = requests
        self._rules = policy.rules
        self._variant = variant
        self._saves = saves
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._demand: deque[tuple[float, int]] = deque()
        self._demanded = 0
        self._look_due: float | None = None

    def run(self, told: Callable[[float], None] = lambda _: None) -> dict[str, float]:
        """Simulate until the window ends; the metrics. `told` hears the time of each arrival.

        Raises ValueError when the books do not balance at the end.
        """
        for request, interruptible in self._requests:
            self._pass_until(request.arrival)
            told(request.arrival)
            wants = fixed_node(request, self.nodes.count) if self._variant == "F" else None
            self._arrive(Vm(request, interruptible, wants, left=request.seconds))
        self._pass_until(self.counts.end)
        books.check(self)
        books.close(self)
        return self.counts.result(self.nodes.total)

    def _pass_until(self, moment: float) -> None:
        while self._events and self._events[0][0] < min(moment, self.counts.end):
            self.now, _, happen = heapq.heappop(self._events)
            happen()
        self.now = min(moment, self.counts.end)

    def _at(self, moment: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._numbers), happen))

    # --- requests ---

    def _arrive(self, vm: Vm) -> None:
        self.vms.append(vm)
        kind = "interruptible" if vm.interruptible else "on_demand"
        self.counts.count(f"{kind}_requests", self.now)
        if vm.interruptible and not self._start_if_admitted(vm):
            self.waiting.add(vm)
        elif not vm.interruptible and not self._serve(vm):
            self.counts.count("refused", self.now)
            self.refused.add(vm)

    def _serve(self, vm: Vm) -> bool:
        """An on-demand VM starts at once, or others make room for it."""
        node = self.nodes.free.best_fit(vm.gpus, vm.wants)
        if node is not None:
            self._note_demand(vm)
            self.nodes.take(node, vm.gpus)
            self._begin_paying(vm, node)
            return True
        found = self._displaceable.choose(vm, self.now)
        if found is None:
            return False
        self._note_demand(vm)
        self._displace(vm, *found)
        return True

    def _begin_paying(self, vm: Vm, node: int) -> None:
        if self.counts.inside(vm.request.arrival):
            self.counts.waits.append(self.now - vm.request.arrival)
        self._start(vm, node)

    def _note_demand(self, vm: Vm) -> None:
        self._demand.append((self.now, vm.gpus))
        self._demanded += vm.gpus

    def _start_if_admitted(self, vm: Vm) -> bool:
        node = self.nodes.free.best_fit(vm.gpus, vm.wants)
        if node is None or not admits_new(self._fleet(), str(node), vm.gpus, self._rules):
            return False
        self.counts.queued[vm.id] += self.counts.clip(vm.request.arrival, self.now)
        self.nodes.take(node, vm.gpus)
        self._start(vm, node)
        return True

    def _fleet(self) -> Fleet:
        while self._demand and self._demand[0][0] < self.now - DEMAND_SECONDS:
            self._demanded -= self._demand.popleft()[1]
        return Fleet(self.nodes.total, self.nodes.free_by_name, self._demanded)

    # --- runs ---

    def _start(self, vm: Vm, node: int) -> None:
        vm.node, vm.started, vm.goes_for = node, self.now, None
        vm.run += 1
        vm.overhead = RESTART_SECONDS if vm.interrupted else 0.0
        self.running[vm.id] = vm
        if vm.interruptible:
            self._displaceable.add(vm)
            self.counts.count("interruptible_starts", self.now)
        run = vm.run
        self._at(self.now + vm.overhead + vm.left, lambda: self._end(vm, run))

    def _stop(self, vm: Vm) -> None:
        """It runs no more: what it used is counted."""
        del self.running[vm.id]
        self._displaceable.remove(vm)
        books.count_run(vm, self.now, self.counts)

    def _end(self, vm: Vm, run: int) -> None:
        if vm.run != run or vm.id not in self.running:
            return  # it was interrupted before
        self._stop(vm)
        vm.left = 0.0
        self.ended += 1
        if vm.interruptible:
            self.counts.count("interruptible_ends", self.now)
        self._hand_on(vm)

    def _hand_on(self, vm: Vm) -> None:
        """GPUs go to who waits for them; the rest is free."""
        waiter, spare = vm.goes_for, vm.gpus
        if waiter is not None:
            given = min(waiter.missing, vm.gpus)
            waiter.missing -= given
            spare -= given
            if given and not waiter.missing:
                del self.reclaiming[waiter.vm.id]
                self._begin_paying(waiter.vm, vm.node)
        if spare:
            self.nodes.give_back(vm.node, spare)
            self.refused.serve(self._serve)
            self._look()
            self.waiting.serve(self._start_if_admitted)

    # --- reclaim ---

    def _displace(self, vm: Vm, node: int, victims: Sequence[Candidate]) -> None:
        free = self.nodes.free.of[node]
        self.nodes.take(node, free)  # held for it from now on
        vm.node = node
        waiter = self.reclaiming[vm.id] = Waiter(vm, vm.gpus - free)
        self.counts.count("over", self.now, sum(one.gpus for one in victims) - waiter.missing)
        for victim in victims:
            self._give_notice(self.running[str(victim.vm)], waiter)

    def _give_notice(self, vm: Vm, waiter: Waiter) -> None:
        self._displaceable.remove(vm)
        vm.goes_for, run = waiter, vm.run
        vm.noticed_work = vm.work(self.now)
        self._at(self.now + NOTICE_SECONDS, lambda: self._interrupt(vm, run))

    def _interrupt(self, vm: Vm, run: int) -> None:
        if vm.run != run or vm.id not in self.running:
            return  # it ended within its notice
        if vm.interrupted and self.now - NOTICE_SECONDS - vm.started < THRASH_SECONDS:
            self.counts.count("thrash", self.now)
        self._stop(vm)
        kept = self._saved(vm.work(self.now))
        unsaved = vm.noticed_work - self._saved(vm.noticed_work)
        books.count_interruption(vm, self.now, kept, unsaved, NOTICE_SECONDS, self.counts)
        vm.left -= kept
        vm.interrupted.append(self.now)
        vm.down_since = self.now
        self.down[vm.id] = vm
        self._hand_on(vm)
        self._look_at(self.now + self._rules.cool_down(vm.recent(self.now)))

    def _saved(self, work: float) -> float:
        """Seconds of so much work of a run that an interruption leaves."""
        return work if self._saves else work // CHECKPOINT_SECONDS * CHECKPOINT_SECONDS

    # --- restore ---

    def _look_at(self, moment: float) -> None:
        """Look at interrupted VMs then, unless a look comes before."""
        if self._look_due is None or moment < self._look_due:
            self._look_due = moment
            self._at(moment, lambda: self._look_if_due(moment))

    def _look_if_due(self, moment: float) -> None:
        if moment == self._look_due:
            self._look()

    def _look(self) -> None:
        self._look_due = None
        later = [not_before for not_before in map(self._decide, self._in_turn()) if not_before is not None]
        if later:
            self._look_at(min(later))

    def _in_turn(self) -> list[list[Interrupted]]:
        """N, F: all at once. P: one after the other, each where it fits best.

        Who finds no room now is left out: room comes with a release, and that is looked at.
        """
        free = self.nodes.free
        waiting = [
            Interrupted(vm.id, str(vm.node), vm.gpus, vm.down_since or 0.0, vm.recent(self.now))
            for vm in self.down.values()
            if self._variant == "P" or free.of[vm.node] >= vm.gpus
        ]
        if self._variant == "P":
            return [[one] for one in sorted(waiting, key=lambda one: one.turn)]
        return [waiting]

    def _decide(self, waiting: list[Interrupted]) -> float | None:
        """Bring back whom the product would; when the next may be due."""
        if self._variant == "P":
            place = self.nodes.free.best_fit(waiting[0].gpus)
            if place is None:
                return None
            waiting = [replace(waiting[0], node=str(place))]
        places = {one.vm: one.node for one in waiting}
        decisions = decide_restores(waiting, self._fleet(), self.now, self._rules)
        for decision in decisions:
            if decision.verdict is Verdict.RESTORE:
                self._bring_back(self.down.pop(str(decision.vm)), int(places[decision.vm]))
        return min((one.not_before for one in decisions if one.not_before is not None), default=None)

    def _bring_back(self, vm: Vm, node: int) -> None:
        since = vm.down_since or 0.0
        if self.counts.inside(since):
            self.counts.downs.append(self.now - since)
        books.count_downtime(vm, self.now, self.counts)
        vm.down_since = None
        self.nodes.take(node, vm.gpus)
        self._start(vm, node)
