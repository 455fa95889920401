"""Reservations: what one would cost, those of the account, and cancelling."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from orchestrator.catalog.models import PriceList
from orchestrator.gpus.models import Claim
from orchestrator.scheduler.reservations import end_terms
from orchestrator.vms.models import Operation
from orchestrator.vms.statuses import Status
from tests.orchestrator.billing.walks import TO_RUNNING, TO_STOPPED, bring, intervals, row, shift, told

ASKED = {"gpu_type": "5090", "gpu_count": 2, "storage_gb": 100, "reservation_months": 3}


@pytest.fixture
def vm_id(seed):
    """A VM of 2 GPUs, reserved for 3 months, that has run for 30 of its 90 days."""
    vm = seed.vm(rental_type="reserved", reservation_months=3, gpu_count=2)
    bring(seed, vm.id, *TO_RUNNING)
    shift(seed, vm.id, timedelta(days=30))
    return vm.id


class TestQuote:
    def test_the_published_figures(self, caller):
        answer = caller("POST", "/reservations/calculate", json=ASKED)
        assert answer.status_code == 200
        assert answer.json() == {
            "discount_percent": 10.0,
            "hourly_rate_after_discount": 0.91,  # 2 × 0.50 less 10 %, and 100 GB
            "monthly_cost": 655.2,  # × 720 h
            "deposit_required": 491.4,  # a quarter of three months
            "cancellation_fee_25_percent": 486.0,  # a quarter of the GPUs' three months
        }

    def test_the_percentages_are_the_catalogs(self, caller, seed):
        with seed.database.transaction() as tx:
            tx.execute(update(PriceList).values(cancellation_percent=10, deposit_percent=0, discount_3=0))
        quoted = caller("POST", "/reservations/calculate", json=ASKED).json()
        assert quoted["cancellation_fee_25_percent"] == 216.0
        assert quoted["deposit_required"] == 0.0
        assert quoted["hourly_rate_after_discount"] == 1.01

    def test_it_is_what_the_vm_is_rented_for(self, caller, seed):
        quoted = caller("POST", "/reservations/calculate", json=ASKED).json()
        vm = caller("POST", "/vms", json=seed.body(rental_type="reserved", **ASKED)).json()
        assert vm["hourly_rate"] == quoted["hourly_rate_after_discount"]
        [term] = caller("GET", "/reservations").json()
        assert term["deposit"] == quoted["deposit_required"]
        assert term["id"] == vm["reservation_id"]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"gpu_type": "9090"},
            {"gpu_count": 3},
            {"gpu_count": True},
            {"gpu_count": 2.0},
            {"storage_gb": 49},
            {"reservation_months": 2},
            {"node": "vm01"},
        ],
    )
    def test_what_cannot_be_reserved_has_no_quote(self, caller, wrong):
        answer = caller("POST", "/reservations/calculate", json=ASKED | wrong)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", *wrong]

    @pytest.mark.parametrize("field", list(ASKED))
    def test_all_fields_are_required(self, caller, field):
        body = {name: value for name, value in ASKED.items() if name != field}
        assert caller("POST", "/reservations/calculate", json=body).status_code == 422

    @pytest.mark.parametrize("scope", ["read_only", "billing_only"])
    def test_everybody_with_a_key_may_ask(self, make_caller, scope):
        asking = make_caller(scopes=(scope,))
        assert asking("POST", "/reservations/calculate", json=ASKED).status_code == 200


class TestList:
    def test_a_reservation(self, caller, seed, vm_id):
        [term] = caller("GET", "/reservations").json()
        vm = row(seed, vm_id)
        figures = {key: term[key] for key in term if not key.endswith("_at")}
        assert figures == {
            "id": str(vm.reservation_id),
            "state": "active",
            "vm_id": str(vm_id),
            "node": "vm01",
            "gpu_type": "5090",
            "gpu_count": 2,
            "reservation_months": 3,
            "discount_percent": 10.0,
            "gpu_hourly_rate": 0.9,
            "deposit": 488.7,
            "cancellation_fee": None,
            "cancellation_fee_now": 324.0,  # a quarter of the GPUs' two months that remain
        }
        assert term["told_at"] is None
        assert term["ended_at"] is None
        assert caller("GET", f"/reservations/{term['id']}").json() == term

    def test_by_state_and_in_parts(self, caller, seed):
        first, second = [seed.vm(rental_type="reserved", reservation_months=1) for _ in range(2)]
        failed, over = [seed.vm(rental_type="reserved", reservation_months=1) for _ in range(2)]
        bring(seed, failed.id, Status.FAILED)
        shift(seed, over.id, timedelta(days=31))
        end_terms(seed.database, notice_seconds=0)
        caller("POST", f"/reservations/{first.reservation_id}/cancel")

        def listed(**query):
            return [term["vm_id"] for term in caller("GET", "/reservations", params=query).json()]

        newest_first = [str(vm.id) for vm in (failed, second, first, over)]
        assert listed() == newest_first
        assert listed(limit=2, offset=1) == newest_first[1:3]
        assert listed(state="active") == [str(second.id)]
        assert listed(state="cancelled") == [str(first.id)]
        assert listed(state="failed") == [str(failed.id)]
        assert listed(state="ended") == [str(over.id)]
        assert caller("GET", "/reservations?state=lost").status_code == 422

    def test_those_of_others_are_not_there(self, caller, make_caller, seed, vm_id):
        other = make_caller("other@example.org")
        path = f"/reservations/{row(seed, vm_id).reservation_id}"
        assert other("GET", "/reservations").json() == []
        assert other("GET", path).status_code == 404
        assert other("POST", f"{path}/cancel").status_code == 404
        assert caller("GET", path).json()["state"] == "active"

    def test_one_that_never_was(self, caller):
        assert caller("GET", f"/reservations/{uuid4()}").status_code == 404
        assert caller("POST", f"/reservations/{uuid4()}/cancel").status_code == 404


class TestCancel:
    def test_the_fee_is_recorded_and_the_vm_goes_on_as_on_demand(self, caller, seed, vm_id):
        path = f"/reservations/{row(seed, vm_id).reservation_id}"
        answer = caller("POST", f"{path}/cancel")
        assert answer.status_code == 200
        term = answer.json()
        assert (term["state"], term["cancellation_fee"], term["cancellation_fee_now"]) == (
            "cancelled",
            324.0,
            None,
        )
        vm = caller("GET", f"/vms/{vm_id}").json()
        assert (vm["status"], vm["rental_type"], vm["gpu_hourly_rate"]) == ("running", "on_demand", 1.0)
        assert vm["reservation_id"] == term["id"]
        with seed.database.transaction() as tx:
            before, after = [one for one in intervals(tx, vm_id) if one.resource == "gpu"]
        assert before.hourly_rate == Decimal("0.90")
        assert after.hourly_rate == Decimal("1.00")
        assert before.ended_at == after.started_at
        assert after.ended_at is None
        assert told(seed, vm_id)[-1].startswith("the reservation was cancelled for a fee of 324.00; its GPUs")

    def test_twice_is_as_once(self, caller, seed, vm_id):
        path = f"/reservations/{row(seed, vm_id).reservation_id}"
        first = caller("POST", f"{path}/cancel").json()
        lines = told(seed, vm_id)
        assert caller("POST", f"{path}/cancel").json() == first
        assert told(seed, vm_id) == lines

    def test_a_destroy_that_follows_costs_no_second_fee(self, caller, seed, vm_id):
        path = f"/reservations/{row(seed, vm_id).reservation_id}"
        cancelled = caller("POST", f"{path}/cancel").json()
        bring(seed, vm_id, Status.DESTROYED, actor=f"user:{seed.user_id}")
        assert caller("GET", path).json() == cancelled

    def test_a_stopped_vm_begins_to_give_up_its_gpus(self, caller, seed, vm_id):
        bring(seed, vm_id, *TO_STOPPED)
        caller("POST", f"/reservations/{row(seed, vm_id).reservation_id}/cancel")
        with seed.database.transaction() as tx:
            operation = tx.scalars(select(Operation).where(Operation.finished_at.is_(None))).one()
            held = tx.scalar(select(func.count()).where(Claim.vm_id == vm_id, Claim.released_at.is_(None)))
        assert (operation.kind, operation.actor) == ("stop", f"user:{seed.user_id}")
        assert held == 2  # until the hypervisor has shown that it is off

    def test_before_the_vm_has_run_it_costs_nothing(self, caller, seed):
        vm = seed.vm(rental_type="reserved", reservation_months=6)
        term = caller("POST", f"/reservations/{vm.reservation_id}/cancel").json()
        assert term["cancellation_fee"] == 0.0
        assert row(seed, vm.id).rental_type == "on_demand"

    def test_one_that_has_ended_is_refused(self, caller, seed, vm_id):
        shift(seed, vm_id, timedelta(days=61))
        end_terms(seed.database, notice_seconds=0)
        answer = caller("POST", f"/reservations/{row(seed, vm_id).reservation_id}/cancel")
        assert answer.status_code == 409
        assert answer.json()["code"] == "state_conflict"
        assert answer.json()["ended_because"] == "term"

    @pytest.mark.parametrize("scope", ["read_only", "billing_only"])
    def test_it_takes_the_right_to_change(self, make_caller, seed, vm_id, scope):
        watching = make_caller(scopes=(scope,))
        path = f"/reservations/{row(seed, vm_id).reservation_id}"
        assert watching("GET", path).status_code == 200
        assert watching("POST", f"{path}/cancel").status_code == 403
