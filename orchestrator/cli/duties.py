"""`innkeeper duties`: the last run of each duty of the scheduler, straight from the database."""

from typing import Annotated, Any

import typer
from rich.markup import escape
from sqlalchemy import select

from orchestrator.cli.console import print_json, table
from orchestrator.cli.direct import transaction
from orchestrator.vms.models import DutyRun
from orchestrator.vms.moments import utc


def duties(as_json: Annotated[bool, typer.Option("--json", help="print JSON for scripts")] = False) -> None:
    """Show the last run of each duty of the scheduler, and its failures."""
    with transaction() as tx:
        runs = [_told(run) for run in tx.scalars(select(DutyRun).order_by(DutyRun.duty))]
    if as_json:
        print_json(runs)
        return
    table(
        ["duty", "runs", "last start", "seconds", "result", "failures", "last failure"],
        [
            [
                run["duty"],
                str(run["runs"]),
                run["last_started_at"],
                f"{run['last_seconds']:.3f}",
                escape(run["last_result"]),
                str(run["failures"]),
                escape(f"{run['last_failed_at']} {run['last_error']}") if run["failures"] else "–",
            ]
            for run in runs
        ],
    )


def _told(run: DutyRun) -> dict[str, Any]:
    return {
        "duty": run.duty,
        "runs": run.runs,
        "last_started_at": utc(run.last_started_at),
        "last_seconds": run.last_seconds,
        "last_result": run.last_result,
        "failures": run.failures,
        "last_failed_at": run.last_failed_at and utc(run.last_failed_at),
        "last_error": run.last_error,
    }
