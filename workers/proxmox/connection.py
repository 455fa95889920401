"""One call to a PVE cluster: a slot of the node, an endpoint that connects, one error tree for the rest."""

import logging
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from orchestrator.errors import (
    PveAmbiguous,
    PveBug,
    PveError,
    PveNoAccess,
    PveTransient,
    PveUnreachable,
)
from workers.proxmox.access import ClusterAccess
from workers.proxmox.classify import classify_http
from workers.proxmox.limits import CallLimits, Slots
from workers.proxmox.redaction import error_text, secrets_of
from workers.proxmox.transport import Answer, Endpoint, NoPveAnswerError, ResourceException, trust

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """A request. `action` says what it does (`start VM 101`); `node` is None for calls to the cluster."""

    method: str
    path: tuple[str | int, ...]
    action: str
    node: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def change(self) -> bool:
        """Whether it changes something, so that a lost answer leaves open what happened."""
        return self.method != "get"


class _NotSentError(Exception):
    """This endpoint did not connect; the next one may."""


class Connection:
    """The endpoints of one cluster. Safe for threads; connects at the first call, and anew after a fork.

    Reads share kept-open connections, and one that breaks is sent once more: PVE closes idle connections
    after 5 s, so a break may only mean that. A change goes over a connection of its own, and is never sent
    twice.
    """

    def __init__(self, access: ClusterAccess, limits: CallLimits) -> None:
        self.access = access
        self.limits = limits
        self._slots = Slots(limits.in_flight_per_node)
        self._guard = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._kept: dict[tuple[int, str], Endpoint] = {}
        self._preferred = access.endpoints[0]

    def call(self, call: Call, parse: Callable[[Any], T]) -> T:
        """The answer's data, parsed. Raises PveError."""
        answer = self._send(call)
        return self.parsed(call, lambda: parse(answer.data))

    def call_counted(self, call: Call, parse: Callable[[Any, int], T]) -> T:
        """The same for a list that PVE gives in parts: `parse` gets the number of all rows too."""
        answer = self._send(call)
        return self.parsed(call, lambda: parse(answer.data, answer.total or 0))

    def error(self, kind: type[PveError], call: Call, text: str) -> PveError:
        """An error that names the cluster, the node, the action and the reason."""
        where = f"cluster {self.access.id}" + (f", node {call.node}" if call.node else "")
        return kind(f"{where}: {call.action}: {text}")

    def close(self) -> None:
        """Close the kept connections; a later call opens them again."""
        with self._guard:
            kept, self._kept = self._kept, {}
        for endpoint in kept.values():
            endpoint.close()

    def parsed(self, call: Call, work: Callable[[], T]) -> T:
        """The outcome of a parser; PveBug when the answer does not have the shape that the parser expects."""
        try:
            return work()
        except (KeyError, TypeError, ValueError, AttributeError) as err:
            raise self.error(PveBug, call, f"the answer has not the expected shape ({err!r})") from err

    def _send(self, call: Call) -> Answer:
        seconds = self.limits.changes_seconds if call.change else self.limits.reads_seconds
        busy = str(
            self.error(PveTransient, call, f"other calls took all slots of the node for {seconds:g} s")
        )
        started = time.monotonic()
        try:
            with self._slots.within(call.node or "", seconds=seconds, busy=busy):
                return self._over_any_endpoint(call)
        finally:
            log.debug("%s: %s took %.3f s", self.access.id, call.action, time.monotonic() - started)

    def _over_any_endpoint(self, call: Call) -> Answer:
        failures = []
        for address in self._by_preference():
            try:
                answer = self._over(address, call)
            except _NotSentError as err:
                failures.append(f"{address}: {err}")
            else:
                self._preferred = address
                return answer
        raise self.error(PveUnreachable, call, "no endpoint connects: " + "; ".join(failures))

    def _by_preference(self) -> Iterator[str]:
        preferred = self._preferred
        yield preferred
        yield from (address for address in self.access.endpoints if address != preferred)

    def _over(self, address: str, call: Call) -> Answer:
        try:
            if call.change:
                with self._open(address, self.limits.changes_seconds) as endpoint:
                    return self._request(endpoint, call)
            try:
                return self._request(self._keep(address), call)
            except requests.ConnectionError as err:
                if _did_not_connect(err) or _is_distrust(err):
                    raise
                return self._request(self._keep(address), call)
        except requests.RequestException as err:
            raise self._transport_error(err, call) from err
        except NoPveAnswerError as err:
            # Something between may have answered in PVE's place, after PVE did what was asked.
            kind = PveAmbiguous if call.change else PveTransient
            raise self.error(kind, call, f"{address} is no PVE API: it {err}") from err

    def _request(self, endpoint: Endpoint, call: Call) -> Answer:
        send = getattr(endpoint.root(list(call.path)), call.method)
        try:
            answer = send(**call.parameters)
        except ResourceException as refusal:
            secrets = (*secrets_of(call.parameters), self.access.token_secret)
            text = error_text(refusal.content, refusal.errors or {}, secrets)
            kind = classify_http(refusal.status_code, text, change=call.change)
            # Not chained: proxmoxer's exception repeats the refused parameters.
            raise self.error(kind, call, f"PVE answers {refusal.status_code}: {text}") from None
        if not isinstance(answer, Answer):
            raise NoPveAnswerError("answers neither success nor error")
        return answer

    def _transport_error(self, err: requests.RequestException, call: Call) -> Exception:
        if _did_not_connect(err):
            return _NotSentError(_shortly(err))
        if _is_distrust(err):
            return self.error(PveNoAccess, call, f"the server's certificate is not trusted: {_shortly(err)}")
        if isinstance(err, requests.TooManyRedirects):
            return self.error(PveBug, call, "the endpoint redirects, so it is no PVE API")
        kind = PveAmbiguous if call.change else PveTransient
        if isinstance(err, requests.Timeout):
            return self.error(kind, call, "no answer in time")
        return self.error(kind, call, f"the connection broke: {_shortly(err)}")

    def _open(self, address: str, seconds: float) -> Endpoint:
        with self._guard:
            self._context = self._context or trust(self.access)
        timeout = (self.limits.connect_seconds, seconds)
        return Endpoint(address, self.access, self._context, timeout=timeout)

    def _keep(self, address: str) -> Endpoint:
        key = (os.getpid(), address)
        if key not in self._kept:
            self._kept.setdefault(key, self._open(address, self.limits.reads_seconds))
        return self._kept[key]


def _did_not_connect(err: requests.RequestException) -> bool:
    if isinstance(err, requests.ConnectTimeout):
        return True
    cause = err.args[0] if err.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def _is_distrust(err: Exception) -> bool:
    text = str(err)
    return "CERTIFICATE_VERIFY_FAILED" in text or "Fingerprints did not match" in text


def _shortly(err: BaseException) -> str:
    """The innermost reason, without the names of pools around it."""
    inner = err.reason if isinstance(err, MaxRetryError) else next(iter(err.args), None)
    if isinstance(inner, BaseException):
        return _shortly(inner)
    return " ".join(str(err).split())[:200]
