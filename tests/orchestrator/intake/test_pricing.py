"""Prices: exact decimals."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.intake.pricing import Rates, deposit, price

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
    # (0.45 + 0.01) an hour × 730 × 3 months × 25 %
    assert deposit(RATES, priced, 3) == Decimal("251.85")


@given(st.sampled_from([1, 2, 4, 8]), st.integers(50, 65_536), st.sampled_from([1, 3, 6]))
def test_a_longer_term_never_costs_more_an_hour(count: int, storage: int, months: int) -> None:
    plain = price(RATES, rental_type="on_demand", gpu_count=count, storage_gb=storage)
    term = price(RATES, rental_type="reserved", gpu_count=count, storage_gb=storage, months=months)
    assert 0 < term.hourly <= plain.hourly
