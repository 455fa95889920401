"""Prices of a request: pure arithmetic on decimals, in the catalog's currency per hour."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

HOURS_PER_MONTH = 730
"""A month for quotes: 8 760 hours a year by 12."""
MICRO = Decimal("0.000001")
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Rates:
    """What the catalog says that matters for one request."""

    gpu_hour: Decimal
    interruptible_gpu_hour: Decimal
    storage_gb_hour: Decimal
    discounts: dict[int, Decimal]
    deposit_percent: Decimal
    cancellation_percent: Decimal


@dataclass(frozen=True)
class Price:
    """Hourly rates of one VM."""

    gpu_hourly: Decimal
    storage_hourly: Decimal
    discount_percent: Decimal

    @property
    def hourly(self) -> Decimal:
        return self.gpu_hourly + self.storage_hourly


def price(
    rates: Rates, *, rental_type: str, gpu_count: int, storage_gb: int, months: int | None = None
) -> Price:
    """hourly = GPU rate × count, less the term's discount, + storage rate × GB (design, §5)."""
    per_gpu = rates.interruptible_gpu_hour if rental_type == "interruptible" else rates.gpu_hour
    discount = rates.discounts[months] if months is not None else Decimal(0)
    gpu = per_gpu * gpu_count * (100 - discount) / 100
    storage = rates.storage_gb_hour * storage_gb
    return Price(_round(gpu), _round(storage), discount)


def deposit(rates: Rates, priced: Price, months: int) -> Decimal:
    """What a reservation of `months` costs at its start."""
    total = priced.hourly * HOURS_PER_MONTH * months
    return (total * rates.deposit_percent / 100).quantize(CENT, ROUND_HALF_UP)


def _round(amount: Decimal) -> Decimal:
    return amount.quantize(MICRO, ROUND_HALF_UP)
