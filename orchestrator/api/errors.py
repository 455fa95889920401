"""From exceptions to answers: the one place. No answer repeats an input or shows a trace."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from orchestrator.errors import InvalidRequest, NotReady, RequestRefused, TooManyRequests, Unauthenticated

CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}


def _refused(_: Request, error: RequestRefused) -> JSONResponse:
    if isinstance(error, InvalidRequest):
        return _fields([{"type": "value_error", "loc": ("body", error.field), "msg": error.detail}])
    headers = {}
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return _answer(error.status, error.detail, error.code, error.facts, headers=headers)


def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    return _fields(error.errors())


def _http(_: Request, error: HTTPException) -> JSONResponse:
    code = CODES.get(error.status_code, "http_error")
    return _answer(error.status_code, error.detail, code, headers=dict(error.headers or {}))


def _database_away(request: Request, _: Exception) -> JSONResponse:
    return _refused(request, NotReady("The database does not answer; try again in a moment."))


def _unexpected(_: Request, __: Exception) -> JSONResponse:
    """The server logs the trace; nobody else sees it."""
    return _answer(500, "Something went wrong here; it is noted.", "internal_error")


def _fields(wrong: Any) -> JSONResponse:
    told = [{key: item[key] for key in ("type", "loc", "msg")} for item in wrong]
    return JSONResponse({"detail": jsonable_encoder(told), "code": InvalidRequest.code}, 422)


def _answer(
    status: int,
    detail: str,
    code: str,
    facts: Mapping[str, Any] = MappingProxyType({}),
    *,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    return JSONResponse({**facts, "detail": detail, "code": code}, status, headers=headers)


HANDLERS: dict[type[Exception], Callable[[Request, Any], JSONResponse]] = {
    RequestRefused: _refused,
    RequestValidationError: _invalid,
    HTTPException: _http,
    OperationalError: _database_away,
    InterfaceError: _database_away,
    PoolTimeout: _database_away,
    Exception: _unexpected,
}


def install(app: FastAPI) -> None:
    """Register all handlers."""
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
