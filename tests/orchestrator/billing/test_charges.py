"""What is charged in which status: the whole table."""

from decimal import Decimal

import pytest

from orchestrator.billing.charges import Charge, Rented, charges
from orchestrator.vms.statuses import ENDED, Status

GPU, STORAGE = Charge(2, Decimal("1.00")), Charge(100, Decimal("0.01"))
S = Status


def due(rental_type: str, status: Status, *, has_run: bool = True) -> str:
    charged = charges(Rented(rental_type, GPU, STORAGE), status, has_run=has_run)
    assert all(charge == {"gpu": GPU, "storage": STORAGE}[name] for name, charge in charged.items())
    return "+".join(sorted(charged))


@pytest.mark.parametrize("rental_type", ["on_demand", "interruptible", "reserved"])
class TestAllRentalTypes:
    def test_running_costs_gpus_and_storage(self, rental_type: str) -> None:
        assert due(rental_type, S.RUNNING) == "gpu+storage"

    def test_nothing_is_charged_before_the_first_run(self, rental_type: str) -> None:
        assert {due(rental_type, status, has_run=False) for status in Status} == {""}

    def test_nothing_is_charged_after_the_end(self, rental_type: str) -> None:
        assert {due(rental_type, status) for status in ENDED} == {""}

    def test_an_offline_node_costs_storage_only(self, rental_type: str) -> None:
        assert due(rental_type, S.OFFLINE) == "storage"

    def test_storage_is_charged_until_the_end(self, rental_type: str) -> None:
        assert all("storage" in due(rental_type, status) for status in set(Status) - ENDED)


@pytest.mark.parametrize("status", [S.STARTING, S.STOPPING, S.STOPPED, S.INTERRUPTED, S.CREATING])
def test_only_a_term_pays_for_gpus_of_a_vm_that_does_not_run(status: Status) -> None:
    assert due("on_demand", status) == due("interruptible", status) == "storage"
    assert due("reserved", status) == "gpu+storage"
