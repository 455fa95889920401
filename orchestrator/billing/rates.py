"""The catalog's present rates."""

from orchestrator.billing.pricing import Rates
from orchestrator.catalog.models import GpuType
from orchestrator.catalog.reads import price_list
from orchestrator.errors import InvalidRequest
from orchestrator.store.database import Transaction


def rates_of(tx: Transaction, gpu_type: str) -> Rates:
    """What GPUs of a type are offered for now.

    Raises InvalidRequest for a type that is not offered, NotReady before the first application of a catalog.
    """
    prices = price_list(tx)
    offered = tx.get(GpuType, gpu_type)
    if offered is None or offered.retired_at is not None:
        raise InvalidRequest(f"There is no GPU type {gpu_type}; GET /pricing lists them.", field="gpu_type")
    return Rates(
        gpu_hour=offered.hourly_rate,
        interruptible_gpu_hour=offered.interruptible_hourly_rate,
        storage_gb_hour=prices.storage_gb_hour,
        discounts={1: prices.discount_1, 3: prices.discount_3, 6: prices.discount_6},
        deposit_percent=prices.deposit_percent,
        cancellation_percent=prices.cancellation_percent,
    )
