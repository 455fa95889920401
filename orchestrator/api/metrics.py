"""The figures of /metrics, read from the database at each call."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from sqlalchemy import func, select

from orchestrator.catalog.reads import gpu_counts
from orchestrator.gpus.claims import free_counts
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Operation, Vm
from orchestrator.vms.operations import LIVE


def render(tx: Transaction, *, uncounted: int) -> bytes:
    """Prometheus text."""
    figures = [_vms(tx), _operations(tx), _oldest_due(tx), _free_gpus(tx), _uncounted(uncounted)]
    registry = CollectorRegistry()
    registry.register(_Fixed(figures))
    return generate_latest(registry)


class _Fixed:
    """A collector of what is known already."""

    def __init__(self, figures: Iterable[Metric]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        return self._figures


def _vms(tx: Transaction) -> Metric:
    family = GaugeMetricFamily("innkeeper_vms", "VMs by status", labels=["status"])
    for status, count in tx.execute(select(Vm.status, func.count()).group_by(Vm.status)):
        family.add_metric([status], count)
    return family


def _operations(tx: Transaction) -> Metric:
    family = GaugeMetricFamily(
        "innkeeper_operations", "Operations that are not finished", labels=["kind", "state", "parked_for"]
    )
    keys = (Operation.kind, Operation.state, func.coalesce(Operation.parked_for, ""))
    for kind, state, parked_for, count in tx.execute(
        select(*keys, func.count()).where(Operation.state.in_(LIVE)).group_by(*keys)
    ):
        family.add_metric([kind, state, parked_for], count)
    return family


def _oldest_due(tx: Transaction) -> Metric:
    late = func.extract("epoch", func.clock_timestamp() - func.min(Operation.not_before))
    due = select(func.coalesce(late, 0)).where(
        Operation.state == "open",
        Operation.not_before <= func.clock_timestamp(),
        func.coalesce(Operation.lease_expires_at < func.clock_timestamp(), True),
    )
    text = "Age of the oldest operation that is due and that nobody works on"
    return GaugeMetricFamily("innkeeper_oldest_due_operation_seconds", text, value=float(tx.scalar(due) or 0))


def _free_gpus(tx: Transaction) -> Metric:
    family = GaugeMetricFamily("innkeeper_free_gpus", "GPUs that may be claimed", labels=["node", "gpu_type"])
    free = free_counts(tx)
    for node, gpu_type in sorted(gpu_counts(tx)):
        family.add_metric([node, gpu_type], free[node, gpu_type])
    return family


def _uncounted(calls: int) -> Metric:
    text = "Calls let through without a rate limit because Redis did not answer"
    return CounterMetricFamily("innkeeper_rate_limit_uncounted", text, value=calls)
