"""The figures of /metrics, read from the database at each call."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from sqlalchemy import func, select

from orchestrator.catalog.models import QUARANTINE_CAUSES, Gpu, Node
from orchestrator.catalog.reads import gpu_counts
from orchestrator.fleet import findings
from orchestrator.fleet.comparison import Kind
from orchestrator.gpus.claims import free_counts
from orchestrator.store.database import Transaction
from orchestrator.vms.models import DutyRun, Operation, Vm
from orchestrator.vms.operations import LIVE


def render(tx: Transaction, *, uncounted: int) -> bytes:
    """Prometheus text."""
    figures = [
        _vms(tx),
        _operations(tx),
        _oldest_due(tx),
        _free_gpus(tx),
        *_duties(tx),
        *_fleet(tx),
        _uncounted(uncounted),
    ]
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


def _fleet(tx: Transaction) -> tuple[Metric, Metric, Metric]:
    open_findings = GaugeMetricFamily(
        "innkeeper_findings", "Differences between PVE and the store that need an operator", labels=["kind"]
    )
    counts = findings.counts(tx)
    for kind in Kind:
        open_findings.add_metric([kind.value], counts[kind.value])
    offline = tx.scalar(
        select(func.count()).where(Node.offline_since.is_not(None), Node.retired_at.is_(None))
    )
    suspect = GaugeMetricFamily("innkeeper_quarantined_gpus", "GPUs in quarantine by cause", labels=["cause"])
    causes = dict(
        tx.execute(
            select(Gpu.quarantine_cause, func.count())
            .where(Gpu.health == "quarantined", Gpu.retired_at.is_(None))
            .group_by(Gpu.quarantine_cause)
        ).all()
    )
    for cause in QUARANTINE_CAUSES:
        suspect.add_metric([cause], causes.get(cause, 0))
    return (
        open_findings,
        GaugeMetricFamily("innkeeper_nodes_offline", "Nodes that do not answer", value=offline or 0),
        suspect,
    )


def _duties(tx: Transaction) -> tuple[Metric, Metric]:
    last = GaugeMetricFamily(
        "innkeeper_duty_last_run_timestamp_seconds",
        "When the last run of a duty of the scheduler began",
        labels=["duty"],
    )
    failures = CounterMetricFamily("innkeeper_duty_failures", "Runs of a duty that failed", labels=["duty"])
    for run in tx.scalars(select(DutyRun).order_by(DutyRun.duty)):
        last.add_metric([run.duty], run.last_started_at.timestamp())
        failures.add_metric([run.duty], run.failures)
    return last, failures


def _uncounted(calls: int) -> Metric:
    text = "Calls let through without a rate limit because Redis did not answer"
    return CounterMetricFamily("innkeeper_rate_limit_uncounted", text, value=calls)
