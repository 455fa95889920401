"""What all duties share: one run at a time in the whole installation, and a record of the last one."""

import logging
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.store.database import Database, Transaction
from orchestrator.vms.models import DutyRun

log = logging.getLogger(__name__)

FAILED = "failed"
LONGEST_ERROR = 1000
LONGEST_SECONDS = 20.0
T = TypeVar("T")


def run_duty(database: Database, name: str, work: Callable[[Transaction], str]) -> str | None:
    """Run `work` in a transaction unless another scheduler is at it. Returns its result, or None.

    The result is a line for operators and is kept with the time it took. An error is logged and kept, and
    goes no further: the next tick tries again, and other duties go on.
    """
    began = time.monotonic()
    try:
        with database.transaction() as tx:
            key = zlib.crc32(name.encode())
            if not tx.scalar(select(func.pg_try_advisory_xact_lock(key))):
                return None
            began = time.monotonic()
            result = work(tx)
            _record(tx, name, began, last_result=result)
    except Exception as error:  # whatever it is: a duty has nobody above it who could do better
        what = f"{type(error).__name__}: {error}"
        log.exception("duty %s failed: %s", name, what, exc_info=log.isEnabledFor(logging.DEBUG))
        _keep_failure(database, name, began, what[:LONGEST_ERROR])
        return None
    return result


def for_a_while(work: Iterable[T]) -> Iterator[T]:
    """The parts of a duty's work until it has taken long enough; the next tick goes on with the rest.

    For work in transactions of its own: that of the duty itself must not stand idle for a minute.
    """
    began = time.monotonic()
    for part in work:
        yield part
        if time.monotonic() - began > LONGEST_SECONDS:
            return


def _keep_failure(database: Database, name: str, began: float, what: str) -> None:
    """In a transaction of its own, since that of the work is rolled back."""
    try:
        with database.transaction() as tx:
            _record(
                tx,
                name,
                began,
                last_result=FAILED,
                failures=1,
                last_failed_at=func.clock_timestamp(),
                last_error=what,
            )
    except SQLAlchemyError as error:
        log.warning("the failure of duty %s was not kept: %s", name, type(error).__name__)


def _record(tx: Transaction, name: str, began: float, *, failures: int = 0, **row: Any) -> None:
    """One more run."""
    seconds = time.monotonic() - began
    row |= {
        "last_started_at": func.clock_timestamp() - timedelta(seconds=seconds),
        "last_seconds": seconds,
    }
    more = {"runs": DutyRun.runs + 1, "failures": DutyRun.failures + failures}
    tx.execute(
        insert(DutyRun)
        .values(duty=name, runs=1, failures=failures, **row)
        .on_conflict_do_update(index_elements=[DutyRun.duty], set_=more | row)
    )
