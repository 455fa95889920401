"""The settings of restoring, with defaults that were measured (docs/lab.md)."""

from dataclasses import dataclass

DEMAND_SECONDS = 600.0
"""How far back paying requests count as recent demand."""


@dataclass(frozen=True)
class Rules:
    """When interruptible VMs may take free GPUs. Times in seconds.

    So many GPUs of a type are kept free in the whole fleet as paying requests took lately, times
    `demand_factor`, but at least the share `headroom` and at most `headroom_most` of all.
    """

    headroom: float = 0.075
    headroom_most: float = 0.12
    demand_factor: float = 4.0
    headroom_for_new: bool = True
    """Whether new interruptible requests leave it free as well, or may take the last free GPU."""
    cool_down_seconds: float = 10
    """From a first interruption to a restore; doubles with each further recent one."""
    cool_down_cap_seconds: float = 4 * 3600
    longest_wait_seconds: float = 24 * 3600
    """Who has been interrupted for longer is let through the headroom."""

    def cool_down(self, interruptions: int) -> float:
        """Seconds from the last of so many recent interruptions until a restore."""
        return min(self.cool_down_cap_seconds, self.cool_down_seconds * 2.0 ** (max(1, interruptions) - 1))

    def kept_free(self, total: int, demand: int) -> int:
        """GPUs of a fleet of `total` that stay free when paying requests took `demand` lately; a small fleet
        keeps none."""
        most = max(self.headroom, self.headroom_most) * total
        return int(min(most, max(self.headroom * total, self.demand_factor * demand)) + 1e-9)
