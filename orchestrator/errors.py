"""The exception tree of Innkeeper, whole, in one place.

Every text says what happened, to which VM or node, and what to do. None carries a secret.
"""

from collections.abc import Mapping
from typing import Any


class InnkeeperError(Exception):
    """Base of everything that Innkeeper raises on purpose."""


class ConfigurationError(InnkeeperError):
    """The operator's settings, catalog or machine cannot work as they are."""


# --- Requests that are refused: each has an HTTP status and a stable code (product page, "Errors") ---


class RequestRefused(InnkeeperError):
    """A request that is not carried out. `facts` are figures a client may show or act on."""

    status = 400
    code = "bad_request"

    def __init__(self, detail: str, *, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = dict(facts or {})


class InvalidRequest(RequestRefused):
    """A field is wrong in a way that only the catalog or the account can tell; `field` names it."""

    status = 422
    code = "validation_error"

    def __init__(self, detail: str, *, field: str) -> None:
        super().__init__(detail)
        self.field = field


class Unauthenticated(RequestRefused):
    """The credential is missing, unknown, expired or revoked."""

    status = 401
    code = "unauthenticated"


class ScopeMissing(RequestRefused):
    """The credential is valid but its scopes do not allow the call."""

    status = 403
    code = "scope_missing"


class QuotaExceeded(RequestRefused):
    """The account's max_vms or max_hourly_spend would be passed."""

    status = 403
    code = "quota_exceeded"


class NotFound(RequestRefused):
    """Not there, or not the caller's: the two are not told apart."""

    status = 404
    code = "not_found"


class StateConflict(RequestRefused):
    """The object's present state does not allow the change."""

    status = 409
    code = "state_conflict"


class InsufficientCapacity(RequestRefused):
    """No free GPUs of that type on that node, even after reclaiming."""

    status = 409
    code = "insufficient_capacity"


class IdempotencyMismatch(RequestRefused):
    """The Idempotency-Key was used within 24 h with another body."""

    status = 409
    code = "idempotency_mismatch"


class TooManyRequests(RequestRefused):
    """The account's rate limit is reached; `retry_after` in whole seconds."""

    status = 429
    code = "rate_limited"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class NotReady(RequestRefused):
    """A part that is needed does not answer; the same request may be repeated."""

    status = 503
    code = "not_ready"


# --- Proxmox VE: classified once, in workers/proxmox, by what a step may do next ---


class PveError(InnkeeperError):
    """An answer, or a missing answer, of Proxmox VE."""


class PveTransient(PveError):
    """Did not happen; the same call may succeed later."""


class PveUnreachable(PveTransient):
    """The node or all endpoints of the cluster do not answer; nothing was sent to the node."""


class PveAgentSilent(PveTransient):
    """The guest agent does not answer (yet)."""


class PveAmbiguous(PveError):
    """The answer was lost: the change may have happened. Observe before acting again."""


class PveConflict(PveError):
    """Somebody else holds the name, VMID or configuration; or it changed meanwhile."""


class PveNotHere(PveError):
    """The VM is not on this node. Not the same as gone: it may live on another node."""


class PveLocked(PveError):
    """A config lock (`VM is locked (clone)`) or a busy file lock is in the way."""


class PveCapacity(PveError):
    """The storage or the host's memory is full."""


class PveDevice(PveError):
    """A GPU cannot be used: missing, in use, not bindable, reset failed, or its mapping is stale."""


class PveDenied(PveError):
    """Authentication or permission: an operator has to change the token or its role."""


class PveNoAccess(PveDenied):
    """The cluster lets none of us in: the token is unknown, or its certificate is not trusted. No VM is to
    blame."""


class PveBug(PveError):
    """PVE refuses our parameters, or answers what it never should: a fault of Innkeeper or of the set-up."""


# --- SSH probe ---


class SshError(InnkeeperError):
    """The guest's SSH server was not found as promised."""


class SshNotYet(SshError):
    """No connection, no banner, or the connection broke: the guest may still be booting."""


class SshAuthNotOffered(SshError):
    """The server answers, but does not offer the authentication method that the user chose."""


# --- Ways out of a running step that are nobody's fault ---


class StepCutShort(InnkeeperError):
    """The step must stop at this safe point."""


class HandedBack(StepCutShort):
    """The worker is shutting down: another one goes on from here."""


class LeaseLost(StepCutShort):
    """A newer owner has the operation: whatever this one finds is dropped."""


class Cancelled(StepCutShort):
    """The operation was overtaken, for example by a destroy."""


class DeadlinePassed(InnkeeperError):
    """The step ran longer than physics explain; the text says what it was waiting for."""
