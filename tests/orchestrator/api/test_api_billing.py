"""What VMs cost now, and what was used."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, insert, select, update

from orchestrator.billing.models import UsageInterval
from orchestrator.vms.statuses import Status
from tests.orchestrator.billing.walks import TO_RUNNING, TO_STOPPED, bring, shift

MAY = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def used(seed):
    """Writes intervals as they would be after a month: hours since 1 May 2026, 00:00 UTC."""

    def write(vm, resource, first, last, *, quantity=1, rate="0.50"):
        with seed.database.transaction() as tx:
            tx.execute(
                insert(UsageInterval).values(
                    vm_id=vm.id,
                    user_id=vm.user_id,
                    resource=resource,
                    quantity=quantity,
                    hourly_rate=Decimal(rate),
                    started_at=MAY + timedelta(hours=first),
                    ended_at=None if last is None else MAY + timedelta(hours=last),
                )
            )

    return write


def usage(caller, **query):
    answer = caller("GET", "/billing/usage", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


class TestCurrentSpend:
    def test_nothing_costs_nothing(self, caller, seed):
        seed.vm()  # is being created
        spend = caller("GET", "/billing/current-spend").json()
        assert spend.pop("last_updated")
        assert spend == {
            "total_per_hour": 0.0,
            "total_per_day": 0.0,
            "total_per_month": 0.0,
            "hourly_rate": 0.0,
            "running_vms": 0,
            "vms": [],
            "currency": "USD",
            "month_to_date": 0.0,
        }

    def test_running_vms_and_the_storage_of_stopped_ones(self, caller, seed):
        running, stopped = seed.vm(gpu_count=2, storage_gb=100), seed.vm(storage_gb=200)
        bring(seed, running.id, *TO_RUNNING)
        bring(seed, stopped.id, *TO_RUNNING, *TO_STOPPED)
        spend = caller("GET", "/billing/current-spend").json()
        assert spend["running_vms"] == 1
        assert spend["total_per_hour"] == spend["hourly_rate"] == 1.03
        assert spend["total_per_day"] == 24.72
        assert spend["total_per_month"] == 741.6
        assert spend["vms"] == [
            {
                "vm_id": str(running.id),
                "vmid": running.vmid,
                "gpu_type": "5090",
                "gpu_count": 2,
                "storage_gb": 100,
                "status": "running",
                "gpu_cost_per_hour": 1.0,
                "storage_cost_per_hour": 0.01,
                "network_cost_per_hour": 0.0,
                "total_cost_per_hour": 1.01,
            },
            {
                "vm_id": str(stopped.id),
                "vmid": stopped.vmid,
                "gpu_type": "5090",
                "gpu_count": 1,
                "storage_gb": 200,
                "status": "stopped",
                "gpu_cost_per_hour": 0.0,
                "storage_cost_per_hour": 0.02,
                "network_cost_per_hour": 0.0,
                "total_cost_per_hour": 0.02,
            },
        ]

    def test_the_month_so_far_counts_open_intervals_until_now(self, caller, seed):
        vm = seed.vm()
        bring(seed, vm.id, *TO_RUNNING)
        with seed.database.transaction() as tx:
            now = tx.scalars(select(func.now())).one()
            month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
            tx.execute(update(UsageInterval).values(started_at=month - timedelta(hours=5)))
        spend = caller("GET", "/billing/current-spend").json()
        hours = (now - month).total_seconds() / 3600
        assert spend["month_to_date"] == pytest.approx(hours * 0.505, abs=0.01)


class TestUsage:
    def test_a_period_has_whole_days_and_cuts_what_passes_its_ends(self, caller, seed, used):
        vm = seed.vm(gpu_count=2)
        used(vm, "gpu", -10, 34, quantity=2, rate="1.00")
        used(vm, "gpu", 100, 110, quantity=2, rate="1.00")
        told = usage(caller, **{"from": "2026-05-01", "to": "2026-05-02"})
        assert told["period_start"] == "2026-05-01T00:00:00Z"
        assert told["period_end"] == "2026-05-03T00:00:00Z"
        assert told["total_cost"] == 34.0
        assert told["total_hours"] == 34.0
        assert told["currency"] == "USD"
        [line] = told["logs"]
        assert line.pop("id")
        assert line == {
            "vm_id": str(vm.id),
            "timestamp": "2026-05-01T00:00:00Z",
            "resource": "gpu",
            "seconds": 34 * 3600.0,
            "open": False,
            "hourly_rate": 1.0,
            "gpu_seconds": 34 * 7200.0,
            "storage_gb": 0,
            "network_bytes": 0,
            "gpu_cost": 34.0,
            "storage_cost": 0.0,
            "network_cost": 0.0,
            "total_cost": 34.0,
        }

    def test_gpus_and_storage_by_vm_the_most_expensive_first(self, caller, seed, used):
        cheap, dear = seed.vm(), seed.vm()
        used(cheap, "storage", 0, 10, quantity=50, rate="0.005")
        used(dear, "gpu", 0, 3, rate="0.50")
        used(dear, "gpu", 3, 4, rate="0.20")
        used(dear, "storage", 0, 10, quantity=50, rate="0.005")
        told = usage(caller, **{"from": "2026-05-01", "to": "2026-05-01"})
        assert told["vm_breakdown"] == [
            {"vm_id": str(dear.id), "vmid": dear.vmid, "gpu_model": "5090", "hours": 4.0, "cost": 1.75},
            {"vm_id": str(cheap.id), "vmid": cheap.vmid, "gpu_model": "5090", "hours": 0.0, "cost": 0.05},
        ]
        assert told["total_cost"] == 1.8
        assert told["total_hours"] == 4.0
        assert {line["storage_gb"] for line in told["logs"] if line["resource"] == "storage"} == {50}
        one = usage(caller, **{"from": "2026-05-01", "to": "2026-05-01", "vm_id": str(cheap.id)})
        assert [use["vm_id"] for use in one["vm_breakdown"]] == [str(cheap.id)]
        assert {line["vm_id"] for line in one["logs"]} == {str(cheap.id)}

    def test_logs_come_in_parts_the_newest_first_and_totals_whole(self, caller, seed, used):
        vm = seed.vm()
        for hour in range(0, 10, 2):
            used(vm, "gpu", hour, hour + 1)
        query = {"from": "2026-05-01", "to": "2026-05-01", "limit": 2, "offset": 1}
        told = usage(caller, **query)
        assert [line["timestamp"][11:13] for line in told["logs"]] == ["06", "04"]
        assert told["total_hours"] == 5.0

    def test_sums_are_exact_where_floats_are_not(self, caller, seed, used):
        vm = seed.vm()
        for hour in range(10):
            used(vm, "gpu", hour, hour + 1, rate="0.10")
        assert usage(caller, **{"from": "2026-05-01", "to": "2026-05-01"})["total_cost"] == 1.0

    def test_what_is_open_is_counted_until_now(self, caller, seed):
        vm = seed.vm()
        bring(seed, vm.id, *TO_RUNNING)
        shift(seed, vm.id, timedelta(hours=2))
        now = datetime.now(UTC)
        told = usage(caller, **{"from": f"{now - timedelta(days=1):%Y-%m-%d}"})
        assert {line["open"] for line in told["logs"]} == {True}
        assert told["total_hours"] == pytest.approx(2, abs=0.01)
        assert datetime.fromisoformat(told["period_end"]) == pytest.approx(now, abs=timedelta(minutes=1))

    def test_by_default_the_month_so_far(self, caller, seed):
        told = usage(caller)
        start, end = (datetime.fromisoformat(told[f"period_{edge}"]) for edge in ("start", "end"))
        assert start == end.replace(day=1, hour=0, minute=0, second=0, microsecond=0)

    def test_days_to_come_are_empty(self, caller, seed):
        vm = seed.vm()
        bring(seed, vm.id, *TO_RUNNING)
        told = usage(caller, **{"from": "9999-12-31", "to": "9999-12-31"})
        assert (told["logs"], told["total_cost"], told["vm_breakdown"]) == ([], 0.0, [])

    def test_an_instant_costs_nothing_and_is_not_shown(self, caller, seed, used):
        used(seed.vm(), "gpu", 1, 1)
        assert usage(caller, **{"from": "2026-05-01", "to": "2026-05-01"})["logs"] == []

    @pytest.mark.parametrize(
        "query",
        [
            {"from": "2026-05-02", "to": "2026-05-01"},
            {"from": "yesterday"},
            {"start_date": "2026-05-01"},
            {"limit": 0},
            {"limit": 1001},
            {"offset": -1},
            {"vm_id": "vm01"},
        ],
    )
    def test_what_is_no_period_is_refused(self, caller, query):
        assert caller("GET", "/billing/usage", params=query).status_code == 422


class TestWhoMayLook:
    @pytest.mark.parametrize("scope", ["read_write", "read_only", "billing_only"])
    @pytest.mark.parametrize("path", ["/billing/current-spend", "/billing/usage"])
    def test_every_scope(self, make_caller, scope, path):
        assert make_caller(scopes=(scope,))("GET", path).status_code == 200

    @pytest.mark.parametrize("path", ["/billing/current-spend", "/billing/usage"])
    def test_nobody_without_a_credential(self, client, path):
        assert client.get(path).status_code == 401

    def test_only_at_ones_own(self, make_caller, seed):
        vm = seed.vm()
        bring(seed, vm.id, *TO_RUNNING)
        shift(seed, vm.id, timedelta(hours=1))
        other = make_caller("other@example.org")
        assert other("GET", "/billing/current-spend").json()["vms"] == []
        since = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
        for query in ({"from": since}, {"from": since, "vm_id": str(vm.id)}):
            told = usage(other, **query)
            assert (told["logs"], told["vm_breakdown"], told["total_cost"]) == ([], [], 0.0)


def test_the_end_of_a_vm_ends_its_costs(caller, seed):
    vm = seed.vm()
    bring(seed, vm.id, *TO_RUNNING, Status.DESTROYED)
    assert caller("GET", "/billing/current-spend").json()["vms"] == []
