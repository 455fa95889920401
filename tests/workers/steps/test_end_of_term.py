"""A term that ends: a VM that is off gives up its GPUs only when the hypervisor has shown that it is."""

from datetime import timedelta

from sqlalchemy import update

from orchestrator.billing.models import Reservation
from orchestrator.intake.lifecycle import Asked
from orchestrator.scheduler.reservations import end_terms
from tests.workers.steps.bench import Bench


def end_the_term(bench: Bench) -> None:
    with bench.database.transaction() as tx:
        long_ago = {"starts_at": Reservation.starts_at - timedelta(days=40)}
        tx.execute(
            update(Reservation).values(long_ago | {"ends_at": Reservation.ends_at - timedelta(days=40)})
        )
    end_terms(bench.database, notice_seconds=0)


def test_a_stopped_vm_keeps_its_gpus_for_the_term_and_not_after_it(bench: Bench) -> None:
    vm_id = bench.vm(rental_type="reserved", reservation_months=1, gpu_count=2)
    assert bench.settle(vm_id) == "running"
    bench.ask(vm_id, Asked.STOP)
    assert bench.settle(vm_id) == "stopped"
    assert bench.claims(vm_id) == 2
    end_the_term(bench)
    assert bench.claims(vm_id) == 2
    assert bench.settle(vm_id) == "stopped"
    assert bench.claims(vm_id) == 0


def test_a_vm_that_somebody_started_behind_our_back_is_shut_down_first(bench: Bench) -> None:
    vm_id = bench.vm(rental_type="reserved", reservation_months=1)
    bench.settle(vm_id)
    bench.ask(vm_id, Asked.STOP)
    bench.settle(vm_id)
    vmid = bench.row(vm_id).vmid
    bench.start(vmid)
    end_the_term(bench)
    assert bench.settle(vm_id) == "stopped"
    assert bench.claims(vm_id) == 0
    vm = bench.simulator.vm(vmid)
    assert vm is not None
    assert not vm.running
