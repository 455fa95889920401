"""What all duties share: one run at a time in the whole installation, and a record of the last one."""

import logging
import time
import zlib
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from orchestrator.store.database import Database, Transaction
from orchestrator.vms.models import DutyRun

log = logging.getLogger(__name__)


def run_duty(database: Database, name: str, work: Callable[[Transaction], str]) -> str | None:
    """Run `work` in a transaction unless another scheduler is at it. Returns its result, or None.

    The result is a line for operators and is kept with the time it took.
    """
    with database.transaction() as tx:
        key = zlib.crc32(name.encode())
        if not tx.scalar(select(func.pg_try_advisory_xact_lock(key))):
            return None
        began = time.monotonic()
        result = work(tx)
        seconds = time.monotonic() - began
        row = {
            "last_started_at": func.clock_timestamp() - timedelta(seconds=seconds),
            "last_seconds": seconds,
            "last_result": result,
        }
        tx.execute(
            insert(DutyRun)
            .values(duty=name, runs=1, **row)
            .on_conflict_do_update(index_elements=[DutyRun.duty], set_={"runs": DutyRun.runs + 1, **row})
        )
    return result
