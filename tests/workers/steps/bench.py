"""A runner of steps on a simulator: what tests of steps work with."""

import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from orchestrator.accounts import ssh_keys, users
from orchestrator.catalog.apply import apply
from orchestrator.catalog.check import parse
from orchestrator.cli.simulated import TOKEN_VARIABLE, catalog_lines
from orchestrator.gpus.models import Claim
from orchestrator.intake.asking import ask
from orchestrator.intake.lifecycle import Asked
from orchestrator.intake.request import VmRequest
from orchestrator.intake.submit import Intake
from orchestrator.settings import Settings
from orchestrator.store.database import Database
from orchestrator.vms.models import Event, Operation, Vm, Vmid
from orchestrator.vms.pipelines import Step
from simulator import Fault, Simulator
from simulator.catalog import catalog
from tests.seed import PUBLIC_KEY, RecordingBell
from workers.gateways import Gateways
from workers.heartbeat import Keeper
from workers.proxmox import PollCurve, wait_for_task
from workers.runner import Runner, Verdict

SETTINGS = Settings(
    password_rounds=1000,
    pace=0.01,
    lease_seconds=60,
    heartbeat_seconds=1,
    node_recheck_seconds=3600,
    operator_recheck_seconds=3600,
    _env_file=None,
)
MANY = 60


@dataclass
class Bench:
    """Ask for VMs, run their steps one by one or to the end, look at both sides."""

    simulator: Simulator
    database: Database
    user_id: int
    bell: RecordingBell
    intake: Intake
    gateways: Gateways
    keeper: Keeper
    runner: Runner

    def close(self) -> None:
        """Let go of the hypervisor and of the database."""
        self.keeper.close()
        self.gateways.close()

    def vm(self, **changes: Any) -> UUID:
        """A VM that was just accepted."""
        body = {"node": "vm01", "gpu_type": "5090", "gpu_count": 1, "storage_gb": 50, "template_vmid": 100}
        return self.intake.submit(self.user_id, VmRequest(**{**body, **changes})).vm.id

    def ask(self, vm_id: UUID, asked: Asked) -> None:
        """Ask for a start, stop, restart or destroy."""
        ask(self.database, self.user_id, vm_id, asked)

    def destroy(self, vm_id: UUID) -> None:
        """Ask for its end."""
        self.ask(vm_id, Asked.DESTROY)

    def operation(self, vm_id: UUID) -> Operation | None:
        """The operation that is under way."""
        with self.database.transaction() as tx:
            return tx.scalar(
                select(Operation).where(Operation.vm_id == vm_id, Operation.state.in_(("open", "parked")))
            )

    def step(self, vm_id: UUID) -> Verdict:
        """Run the present step once; its time has come."""
        operation = self.operation(vm_id)
        assert operation is not None, "nothing is under way"
        with self.database.transaction() as tx:
            tx.execute(
                update(Operation)
                .where(Operation.id == operation.id)
                .values(
                    not_before=func.now(),
                    state="open",
                    parked_for=None,
                    lease_token=None,
                    lease_owner=None,
                    lease_expires_at=None,
                )
            )
        return self.runner.run(operation.id, Step(operation.step))

    def until(self, vm_id: UUID, step: Step) -> None:
        """Run steps until `step` is next."""
        for _ in range(MANY):
            operation = self.operation(vm_id)
            assert operation is not None
            if operation.step == step:
                return
            self.step(vm_id)
        pytest.fail(f"{step} was not reached; {self.told(vm_id)}")

    def settle(self, vm_id: UUID) -> str:
        """Run steps until nothing is under way or the operation waits; the VM's status then."""
        for _ in range(MANY):
            operation = self.operation(vm_id)
            if operation is None or operation.state == "parked":
                return self.row(vm_id).status
            self.step(vm_id)
        pytest.fail(f"it does not settle; {self.told(vm_id)}")

    def row(self, vm_id: UUID) -> Vm:
        """The VM's row."""
        with self.database.transaction() as tx:
            return tx.get_one(Vm, vm_id)

    def claims(self, vm_id: UUID) -> int:
        """How many GPUs it holds."""
        with self.database.transaction() as tx:
            return (
                tx.scalar(select(func.count()).where(Claim.vm_id == vm_id, Claim.released_at.is_(None))) or 0
            )

    def told(self, vm_id: UUID) -> list[str]:
        """The VM's time line."""
        with self.database.transaction() as tx:
            return list(tx.scalars(select(Event.text).where(Event.vm_id == vm_id).order_by(Event.id)))

    def see_everything(self) -> None:
        """Let the token read all VMs, as docs/proxmox-setup.md recommends."""

        def grant(server: Any) -> None:
            for subject in (self.simulator.config.user, self.simulator.token_id):
                server.cluster.directory.grant("/vms", subject, "PVEAuditor")

        self.simulator.call(grant)

    def edit(self, vmid: int, **options: str | None) -> None:
        """Change a configuration behind everybody's back; None removes an option."""

        def change(server: Any) -> None:
            config = server.cluster.vms[vmid].config
            for name, value in options.items():
                if value is None:
                    config.pop(name, None)
                else:
                    config[name] = value

        self.simulator.call(change)

    def start(self, vmid: int) -> None:
        """Somebody starts a VM by hand."""
        pve = self.gateways.of("sim")
        wait_for_task(pve, pve.start("vm01", vmid, 600), time.sleep, what="test", curve=PollCurve(0.01))

    def fault(self, name: str, **where: Any) -> None:
        """Arm a fault of the simulator."""
        self.simulator.faults.add(Fault(name, **where))

    def vmids(self, vm_id: UUID) -> list[int]:
        """All VMIDs that it was given, one after the other."""
        with self.database.transaction() as tx:
            return list(tx.scalars(select(Vmid.vmid).where(Vmid.vm_id == vm_id)))

    def remove(self, vmid: int) -> None:
        """What root does by hand: `qm unlock` and `qm destroy --purge`."""

        def destroy(server: Any) -> None:
            server.cluster.vms.pop(vmid, None)
            for store in server.cluster.stores.values():
                for volid in [v.volid for v in store.volumes.values() if v.vmid == vmid]:
                    del store.volumes[volid]

        self.simulator.call(destroy)

    def leftovers(self, vmid: int) -> list[str]:
        """What the simulator still has of a VMID."""
        volumes = [
            volid
            for node in ("vm01", "vm02")
            for volid, owner in self.simulator.volumes(node).items()
            if owner == vmid
        ]
        return ([f"VM {vmid}"] if self.simulator.vm(vmid) else []) + volumes


def make_bench(simulator: Simulator, database: Database, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Apply the simulator's catalog and add a user with a key."""
    monkeypatch.setenv(TOKEN_VARIABLE, simulator.token_secret)
    facts = {
        "url": simulator.url,
        "token_id": simulator.token_id,
        "ca_path": simulator.ca_path,
        "ssh_port": simulator.ssh_port,
        "catalog": catalog(simulator.config),
    }
    with database.transaction() as tx:
        apply(tx, parse("\n".join(catalog_lines(facts)), "simulated"))
        user = users.add(tx, "guest@example.org", max_vms=100, max_hourly_spend=Decimal(1000))
        ssh_keys.add(tx, user.id, PUBLIC_KEY)
        user_id = user.id
    bell = RecordingBell()
    database.announce = bell.ring
    gateways = Gateways(database, SETTINGS)
    keeper = Keeper(database, lease_seconds=60, heartbeat_seconds=1)
    return Bench(
        simulator=simulator,
        database=database,
        user_id=user_id,
        bell=bell,
        intake=Intake(database, SETTINGS),
        gateways=gateways,
        keeper=keeper,
        runner=Runner(
            settings=SETTINGS,
            database=database,
            gateways=gateways,
            keeper=keeper,
            name="test",
        ),
    )
