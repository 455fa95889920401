"""/healthz, /readyz and /metrics, for operators and load balancers"""

from typing import Literal

from fastapi import APIRouter, Response
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.api import broker
from orchestrator.api.metrics import render
from orchestrator.api.services import Db, Parts
from orchestrator.api.views.base import View
from orchestrator.api.views.errors import PUBLIC
from orchestrator.errors import NotReady
from orchestrator.store.database import Database
from orchestrator.store.migrate import is_current

router = APIRouter(tags=["Operations"])


class Health(View):
    """A healthy answer."""

    status: Literal["ok"] = "ok"


@router.get("/healthz", summary="Whether the process lives")
async def healthz() -> Health:
    return Health()


@router.get("/readyz", responses=PUBLIC, summary="Whether the database and the broker answer")
def readyz(parts: Parts) -> Health:
    state = {
        "database": _database_state(parts.database),
        "broker": "ok" if broker.answers(parts.broker) else "does not answer",
    }
    if set(state.values()) != {"ok"}:
        wrong = "; ".join(f"the {part} {told}" for part, told in state.items() if told != "ok")
        raise NotReady(f"Not ready: {wrong}.", facts={"parts": state})
    return Health()


@router.get(
    "/metrics",
    response_class=Response,
    responses=PUBLIC | {200: {"content": {"text/plain": {}}, "description": "Prometheus text"}},
    summary="Figures for Prometheus",
)
def metrics(database: Db, parts: Parts) -> Response:
    with database.transaction() as tx:
        text = render(tx, uncounted=parts.limiter.uncounted)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _database_state(database: Database) -> str:
    try:
        return "ok" if is_current(database.engine) else "has another schema: run `innkeeper db upgrade`"
    except SQLAlchemyError:
        return "does not answer"
