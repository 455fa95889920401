"""Prices: exact decimals."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.billing.pricing import Rates, cancellation_fee, deposit, on_demand, price, quote

RATES = Rates(
    gpu_hour=Decimal("0.50"),
    interruptible_gpu_hour=Decimal("0.20"),
    storage_gb_hour=Decimal("0.0001"),
    discounts={1: Decimal(5), 3: Decimal(10), 6: Decimal(20)},
    deposit_percent=Decimal(25),
    cancellation_percent=Decimal(25),
)


@pytest.mark.parametrize(
    ("rental_type", "months", "gpu_hourly", "discount"),
    [
        ("on_demand", None, "1.00", 0),
        ("interruptible", None, "0.40", 0),
        ("reserved", 1, "0.95", 5),
        ("reserved", 3, "0.90", 10),
        ("reserved", 6, "0.80", 20),
    ],
)
def test_hourly_rates(rental_type: str, months: int | None, gpu_hourly: str, discount: int) -> None:
    priced = price(RATES, rental_type=rental_type, gpu_count=2, storage_gb=100, months=months)
    assert priced.gpu_hourly == Decimal(gpu_hourly)
    assert priced.storage_hourly == Decimal("0.01")
    assert priced.hourly == priced.gpu_hourly + Decimal("0.01")
    assert priced.discount_percent == discount


def test_the_deposit_is_a_share_of_the_whole_term() -> None:
    priced = price(RATES, rental_type="reserved", gpu_count=1, storage_gb=100, months=3)
    # (0.45 + 0.01) an hour × 720 × 3 months × 25 %
    assert deposit(RATES, priced, 3) == Decimal("248.40")


@pytest.mark.parametrize(
    ("remaining", "fee"),
    [
        (timedelta(days=30), "180.00"),
        (timedelta(hours=1), "0.25"),
        (timedelta(minutes=1), "0.00"),
        (timedelta(minutes=2), "0.01"),
        (timedelta(0), "0.00"),
        (timedelta(days=-1), "0.00"),
    ],
)
def test_the_fee_falls_with_the_time_that_remains(remaining: timedelta, fee: str) -> None:
    assert cancellation_fee(Decimal("1.00"), Decimal(25), remaining) == Decimal(fee)


def test_a_quote_adds_up() -> None:
    quoted = quote(RATES, gpu_count=1, storage_gb=100, months=3)
    assert quoted.hourly_rate == Decimal("0.46")
    assert quoted.monthly_cost == Decimal("0.46") * 720
    assert quoted.deposit * 4 == quoted.monthly_cost * 3
    assert quoted.cancellation_fee == Decimal("0.45") * 720 * 3 / 4
    assert quoted.discount_percent == 10


def test_on_demand_is_the_plain_rate_of_all_gpus() -> None:
    assert on_demand(Decimal("0.333333"), 3) == Decimal("0.999999")


@given(st.sampled_from([1, 2, 4, 8]), st.integers(50, 65_536), st.sampled_from([1, 3, 6]))
def test_a_longer_term_never_costs_more_an_hour(count: int, storage: int, months: int) -> None:
    plain = price(RATES, rental_type="on_demand", gpu_count=count, storage_gb=storage)
    term = price(RATES, rental_type="reserved", gpu_count=count, storage_gb=storage, months=months)
    assert 0 < term.hourly <= plain.hourly
