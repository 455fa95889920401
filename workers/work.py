"""What a running step may use: its job, PVE, a clock that can be cut short, and guarded effects."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

from orchestrator.errors import DeadlinePassed
from orchestrator.fleet import strikes
from orchestrator.gpus import claims, quarantine
from orchestrator.store.database import Database
from orchestrator.vms import addresses, events, operations, vmids
from workers.heartbeat import Held, Keeper
from workers.job import Job
from workers.proxmox import Gateway
from workers.webhook import Webhook

P = ParamSpec("P")
T = TypeVar("T")


class Work:
    """One attempt at one step. Nothing here keeps a database session open."""

    def __init__(
        self,
        job: Job,
        held: Held,
        *,
        keeper: Keeper,
        database: Database,
        pve: Gateway,
        pace: float,
        change_seconds: float,
        webhook: Webhook | None,
    ) -> None:
        self.job = job
        self.pve = pve
        self.webhook = webhook
        self.memo: dict[str, Any] = dict(held.lease.memo)
        self._held = held
        self._keeper = keeper
        self._database = database
        self._pace = pace
        self._change_seconds = change_seconds
        self._began = time.monotonic() - held.lease.step_age_seconds

    def pause(self, seconds: float) -> None:
        """Wait `seconds` (at the pace of the settings). The safe point of every step.

        Raises HandedBack, Cancelled, LeaseLost.
        """
        self._keeper.check(self._held)
        self._held.wake.wait(seconds * self._pace)
        self._keeper.check(self._held)

    def pause_until(self, deadline_seconds: float, waiting_for: str) -> Callable[[float], None]:
        """A `pause` that raises DeadlinePassed once the step, all attempts together, is older than that."""

        def pause(seconds: float) -> None:
            self.pause(seconds)
            if time.monotonic() - self._began > deadline_seconds:
                raise DeadlinePassed(f"{waiting_for} took longer than {deadline_seconds:.0f} s.")

        return pause

    def act(self, change: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Change something on PVE, under a lease that outlives the call: the only way a step may."""
        self._keeper.ensure(self._held, seconds=self._change_seconds)
        return change(*args, **kwargs)

    def remember(self, **facts: Any) -> None:
        """Keep facts across attempts, such as the UPID of a started task. None forgets one."""
        with self._database.transaction() as tx:
            operations.remember(tx, self._held.lease, facts)
        self.memo = {key: value for key, value in {**self.memo, **facts}.items() if value is not None}

    def ask_for_clone(self) -> None:
        """Note that a clone is asked for under the VMID, before it is."""
        with self._database.transaction() as tx:
            _, vm = operations.held(tx, self._held.lease)
            vmids.ask_for_clone(tx, vm)
        self.job = replace(self.job, clone_asked=True)

    def clone_was_refused(self) -> None:
        """Take that note back: PVE has refused the only request, so nothing under the VMID is ours."""
        with self._database.transaction() as tx:
            _, vm = operations.held(tx, self._held.lease)
            vmids.clone_was_refused(tx, vm)
        self.job = replace(self.job, clone_asked=False)

    def note(self, text: str) -> None:
        """Add a line to the VM's time line."""
        with self._database.transaction() as tx:
            operation, vm = operations.held(tx, self._held.lease)
            events.record(tx, vm.id, text, actor=operation.actor, operation_id=operation.id)

    def claim(self) -> None:
        """Claim what the VM needs and does not hold yet: its GPUs and, with a static pool, its address.

        Raises InsufficientCapacity.
        """
        with self._database.transaction() as tx:
            _, vm = operations.held(tx, self._held.lease)
            claims.claim(tx, vm)
            addresses.assign(tx, vm)

    def change_vmid(self, because: str) -> None:
        """Give the VM another VMID; the old number is never used again."""
        with self._database.transaction() as tx:
            operation, vm = operations.held(tx, self._held.lease)
            before = vm.vmid
            vmids.replace(tx, vm, because=because)
            operation.memo = {}
            events.record(
                tx,
                vm.id,
                f"VMID {before} is given up for {vm.vmid}: {because}",
                actor=operation.actor,
                operation_id=operation.id,
            )

    def quarantine(self, mapping: str, because: str) -> None:
        """Offer a GPU of this VM no more."""
        with self._database.transaction() as tx:
            operation, vm = operations.held(tx, self._held.lease)
            quarantine.quarantine(tx, vm.node_id, mapping, cause="start", reason=because)
            events.record(
                tx,
                vm.id,
                f"GPU {mapping} is quarantined: {because}",
                actor=operation.actor,
                operation_id=operation.id,
            )

    def strike(self, because: str) -> None:
        """Suspect all GPUs of this VM: one of them failed, and none was named."""
        with self._database.transaction() as tx:
            operation, vm = operations.held(tx, self._held.lease)
            for mapping in strikes.strike(tx, vm, because):
                text = f"GPU {mapping} is quarantined: {because}, and so could another VM not"
                events.record(tx, vm.id, text, actor=operation.actor, operation_id=operation.id)
