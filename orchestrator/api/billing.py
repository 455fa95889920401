"""/billing"""

from typing import Annotated

from fastapi import APIRouter, Query

from orchestrator.api.access import Accountant
from orchestrator.api.services import Db
from orchestrator.api.views.billing import SpendView, UsageQuery, UsageView
from orchestrator.api.views.errors import READ
from orchestrator.billing import spend, usage
from orchestrator.catalog.reads import price_list

router = APIRouter(prefix="/billing", tags=["Billing"])


@router.get("/current-spend", responses=READ, summary="What your VMs cost as they are now")
def current_spend(database: Db, caller: Accountant) -> SpendView:
    with database.transaction() as tx:
        now = usage.present(tx)
        used = usage.by_vm(tx, caller.user_id, usage.days(now, None, None))
        return SpendView.of(
            spend.current(tx, caller.user_id),
            now=now,
            currency=price_list(tx).currency,
            month_to_date=usage.total(used),
        )


@router.get("/usage", responses=READ, summary="What was used and what it costs, by default in this month")
def used(database: Db, caller: Accountant, asked: Annotated[UsageQuery, Query()]) -> UsageView:
    with database.transaction() as tx:
        period = usage.days(usage.present(tx), asked.first, asked.last)
        of = (tx, caller.user_id, period, asked.vm_id)
        return UsageView.of(
            period,
            usage.lines(*of, limit=asked.limit, offset=asked.offset),
            usage.by_vm(*of),
            currency=price_list(tx).currency,
        )
