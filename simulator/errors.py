"""The ways in which Proxmox VE says no."""

from collections.abc import Mapping


class PveError(Exception):
    """What PVE's own code dies with: HTTP 500 when it answers a call, the exit status when it ends a task."""


class ApiError(Exception):
    """An answer with a status of its own and the usual JSON body."""

    def __init__(self, status: int, message: str, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors


class BareError(Exception):
    """An answer made by the proxy itself: a reason phrase and no JSON; the body is empty or plain text."""

    def __init__(self, status: int, reason: str, body: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.body = body


class ConnectionDropped(Exception):
    """The connection ends without an answer."""


def bad_parameters(errors: Mapping[str, str]) -> ApiError:
    """HTTP 400 with one text per refused parameter."""
    return ApiError(400, "Parameter verification failed.\n", errors)


def denied(detail: str = "") -> ApiError:
    """HTTP 403; `detail` names the path and the privilege, and is left out by rules of alternatives."""
    return ApiError(403, f"Permission check failed ({detail})\n" if detail else "Permission check failed\n")


def not_implemented(method: str, path: str) -> ApiError:
    """HTTP 501: no such path, or not with this method."""
    return ApiError(501, f"Method '{method} {path}' not implemented")


def no_config(node: str, vmid: int) -> PveError:
    """The VM is not on this node; it may well be on another one."""
    return PveError(f"Configuration file 'nodes/{node}/qemu-server/{vmid}.conf' does not exist")
