"""What a run is judged by: the definitions are those of docs/lab.md."""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

HOUR = 3600.0


@dataclass
class Counts:
    """What happened within a window of simulated time (seconds)."""

    begin: float
    end: float
    sums: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    waits: list[float] = field(default_factory=list)
    """Of on-demand requests that arrived in the window, until their VMs started."""
    downs: list[float] = field(default_factory=list)
    """From interruption to running again."""
    queued: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Seconds that each interruptible VM waited, before and after it ran first."""
    ran: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    down: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    interruptions: Counter[str] = field(default_factory=Counter)

    def inside(self, at: float) -> bool:
        return self.begin <= at < self.end

    def clip(self, since: float, until: float) -> float:
        """Seconds of an interval that lie in the window."""
        return max(0.0, min(until, self.end) - max(since, self.begin))

    def count(self, what: str, at: float, by: float = 1) -> None:
        """Add to a counter if that moment is in the window."""
        if self.inside(at):
            self.sums[what] += by

    def full_hours(self, since: float, until: float) -> int:
        """Hours since the start of a run that were completed in the window."""
        last = min(until, self.end)
        return max(0, math.floor((last - since) / HOUR) - max(0, math.ceil((self.begin - since) / HOUR) - 1))

    def result(self, gpus: int) -> dict[str, float]:
        """All metrics, for a fleet of so many GPUs."""
        return {**self._interruptions(), **self._waits(), **self._use(gpus), **self._fairness()}

    def _interruptions(self) -> dict[str, float]:
        sums, interruptions = self.sums, self.sums["interruptions"]
        well = sums["full_hours"] + sums["interruptible_ends"]
        return {
            "interruptions_per_vm_hour": _ratio(interruptions, sum(self.ran.values()) / HOUR),
            "interruptions": interruptions,
            "gfs_rate_percent": 100 * _ratio(interruptions, interruptions + well),
            "interruptions_per_start": _ratio(interruptions, sums["interruptible_starts"]),
            "thrash": sums["thrash"],
            "gpu_hours_lost": sums["lost"] / HOUR,
            "lost_percent": 100 * _ratio(sums["lost"], sums["interruptible_gpu_seconds"]),
            "notice_gpu_hours": sums["notice"] / HOUR,
            "restart_gpu_hours": sums["restarting"] / HOUR,
            "over_reclaimed_gpus": sums["over"],
        }

    def _waits(self) -> dict[str, float]:
        waits, downs = sorted(self.waits), sorted(self.downs)
        return {
            "refused_percent": 100 * _ratio(self.sums["refused"], self.sums["on_demand_requests"]),
            "wait_mean_s": statistics.fmean(waits) if waits else 0.0,
            "wait_p50_s": quantile(waits, 0.5),
            "wait_p99_s": quantile(waits, 0.99),
            "down_p50_s": quantile(downs, 0.5),
            "down_p99_s": quantile(downs, 0.99),
            "still_down": self.sums["still_down"],
            "queued_mean_s": _ratio(sum(self.queued.values()), self.sums["interruptible_requests"]),
        }

    def _use(self, gpus: int) -> dict[str, float]:
        used, capacity = self.sums["gpu_seconds"], gpus * (self.end - self.begin)
        useless = self.sums["lost_in_all"] + self.sums["restarting"]
        return {
            "utilisation_percent": 100 * used / capacity,
            "goodput_percent": 100 * (used - useless) / capacity,
        }

    def _fairness(self) -> dict[str, float]:
        shares = [ran / (ran + self.down[vm]) for vm, ran in self.ran.items() if ran > 0]
        often = sum(number >= 3 for number in self.interruptions.values())
        return {
            "jain": _ratio(sum(shares) ** 2, len(shares) * sum(share**2 for share in shares), otherwise=1.0),
            "three_or_more_percent": 100 * _ratio(often, len(self.ran)),
            "worst_vm_interruptions": max(self.interruptions.values(), default=0),
        }


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of ordered values, the one below which that share lies; 0 without values."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _ratio(part: float, whole: float, otherwise: float = 0.0) -> float:
    return part / whole if whole else otherwise


Run = Mapping[str, float]
"""The metrics of one run."""


@dataclass(frozen=True)
class Figure:
    """Mean over the salts, and its standard error."""

    mean: float
    error: float


def summarise(runs: Sequence[Run]) -> dict[str, Figure]:
    """Each metric over runs that differ in the salt alone."""
    return {name: _figure([run[name] for run in runs]) for name in runs[0]}


def differences(runs: Sequence[Run], yardstick: Sequence[Run]) -> dict[str, Figure]:
    """How far each metric lies above that of another policy on the same requests, paired by salt."""
    return {
        name: _figure([run[name] - other[name] for run, other in zip(runs, yardstick, strict=True)])
        for name in runs[0]
    }


def _figure(values: Sequence[float]) -> Figure:
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Figure(statistics.fmean(values), error)
