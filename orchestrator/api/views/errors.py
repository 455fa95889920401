"""The shapes of errors."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Responses = dict[int | str, dict[str, Any]]


class Error(BaseModel):
    """Any error but 422. Some carry figures beside `detail` and `code`, such as `free` or `max_vms`."""

    model_config = ConfigDict(extra="allow")

    detail: str = Field(description="for people: what happened and what to do")
    code: str = Field(description="for programs: stable")


class FieldError(BaseModel):
    """One wrong input. The input itself is never repeated."""

    model_config = ConfigDict(extra="forbid")

    type: str
    loc: list[str | int] = Field(description="where: body, query, path or header, then the field")
    msg: str


class ValidationFailed(BaseModel):
    """422."""

    model_config = ConfigDict(extra="forbid")

    detail: list[FieldError]
    code: str = Field(examples=["validation_error"])


MEANING = {
    400: "the body cannot be read, or what it asks for is not available",
    401: "credential missing, unknown, expired or revoked",
    403: "scope missing, or quota exceeded",
    404: "not there, or not yours",
    409: "state, capacity or idempotency",
    413: "the body is too large",
    422: "a field is wrong",
    429: "rate limit; see Retry-After",
    500: "a fault of the service",
    503: "a part that is needed does not answer; repeat the request",
}


HEADERS = {401: "WWW-Authenticate", 429: "Retry-After"}


def errors(*statuses: int) -> Responses:
    """Error responses of a route, for its OpenAPI."""
    return {
        status: {
            "model": ValidationFailed if status == 422 else Error,
            "description": MEANING[status],
            "headers": {HEADERS[status]: {"schema": {"type": "string"}}} if status in HEADERS else {},
        }
        for status in statuses
    }


PUBLIC = errors(500, 503)
READ = PUBLIC | errors(401, 403, 422, 429)
CHANGE = READ | errors(400, 413)
