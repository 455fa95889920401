"""Prices: pure arithmetic on decimals, in the catalog's currency."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

DAYS_PER_MONTH = 30
"""A month of a term, in quotes as in what is charged."""
HOURS_PER_MONTH = DAYS_PER_MONTH * 24
MICRO = Decimal("0.000001")
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Rates:
    """What the catalog says that matters for one GPU type."""

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


@dataclass(frozen=True)
class Quote:
    """What a reservation would cost. `cancellation_fee` is the highest: that of a cancelling at its start."""

    discount_percent: Decimal
    hourly_rate: Decimal
    monthly_cost: Decimal
    deposit: Decimal
    cancellation_fee: Decimal


def price(
    rates: Rates, *, rental_type: str, gpu_count: int, storage_gb: int, months: int | None = None
) -> Price:
    """hourly = GPU rate × count, less the term's discount, + storage rate × GB (design, §5)."""
    per_gpu = rates.interruptible_gpu_hour if rental_type == "interruptible" else rates.gpu_hour
    discount = rates.discounts[months] if months is not None else Decimal(0)
    gpu = per_gpu * gpu_count * (100 - discount) / 100
    storage = rates.storage_gb_hour * storage_gb
    return Price(_micro(gpu), _micro(storage), discount)


def on_demand(gpu_hour: Decimal, gpu_count: int) -> Decimal:
    """Hourly rate of the GPUs of a VM whose term has ended."""
    return _micro(gpu_hour * gpu_count)


def deposit(rates: Rates, priced: Price, months: int) -> Decimal:
    """What a reservation of `months` costs at its start: a share of the term's whole price."""
    total = priced.hourly * HOURS_PER_MONTH * months
    return _cent(total * rates.deposit_percent / 100)


def cancellation_fee(gpu_hourly: Decimal, percent: Decimal, remaining: timedelta) -> Decimal:
    """`percent` of what the GPUs would have cost for the rest of a term; nothing after its end."""
    hours = Decimal(max(remaining, timedelta(0)) // timedelta(microseconds=1)) / 3_600_000_000
    return _cent(gpu_hourly * hours * percent / 100)


def quote(rates: Rates, *, gpu_count: int, storage_gb: int, months: int) -> Quote:
    """The figures of a reservation that begins now."""
    priced = price(rates, rental_type="reserved", gpu_count=gpu_count, storage_gb=storage_gb, months=months)
    term = timedelta(days=DAYS_PER_MONTH * months)
    return Quote(
        discount_percent=priced.discount_percent,
        hourly_rate=priced.hourly,
        monthly_cost=_cent(priced.hourly * HOURS_PER_MONTH),
        deposit=deposit(rates, priced, months),
        cancellation_fee=cancellation_fee(priced.gpu_hourly, rates.cancellation_percent, term),
    )


def _micro(amount: Decimal) -> Decimal:
    return amount.quantize(MICRO, ROUND_HALF_UP)


def _cent(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)
