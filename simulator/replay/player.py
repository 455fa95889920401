"""Sends recorded requests to a simulator, with the ids of its own answers in place of the recorded ones."""

import json
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any
from urllib.parse import urlencode

import requests

from simulator.access.directory import Identity
from simulator.api.routes import Router
from simulator.replay import outside
from simulator.replay.comparison import Verdict, compare
from simulator.replay.stepped_clock import SteppedClock
from simulator.replay.transcripts import PREFIX, Exchange
from simulator.server import Server
from simulator.simulator import Simulator

UPID = re.compile(r"UPID:[^\s\"/]+:")
_TOKEN = re.compile(r"^token ([^!]+)!(.+)$")
THINKING = 0.05
"""Simulated seconds between two requests, unless the recording shows that less passed."""
STEP = 0.25
"""Simulated seconds that pass at a time while something is waited for."""
PATIENCE = 600
"""Simulated seconds after which nothing is waited for any longer."""
BEFORE_VIOLENCE = 5
"""Simulated seconds that a task gets to work before it is killed as it was in the recording."""
ANSWERED = 0.03
"""Wall seconds in which a request is answered that does not wait for simulated time."""

Answer = tuple[int, str, Any]


class Player:
    """Plays exchanges in order, and moves the clock as far as they need."""

    def __init__(self, simulator: Simulator, clock: SteppedClock, pool: ThreadPoolExecutor) -> None:
        self._simulator = simulator
        self._clock = clock
        self._pool = pool
        self._router = Router()
        self._upids: dict[str, str] = {}
        self._undo: outside.Undo | None = None

    def is_modelled(self, exchange: Exchange) -> bool:
        """Does the simulator have this endpoint, or was there none in the recording either?"""
        path = exchange.path.split("?")[0]
        return exchange.status == 501 or self._router.find(exchange.method, path) is not None

    def note(self, exchange: Exchange) -> None:
        """Something that left no exchange."""
        if self._undo is not None and exchange.method not in ("GET", ""):
            undo, self._undo = self._undo, None
            self._simulator.call(lambda _server: undo())
        undo_later = self._simulator.call(lambda server: outside.happen(server, exchange))
        self._undo = undo_later or self._undo

    def play(self, exchanges: list[Exchange]) -> list[Verdict]:
        """One exchange, or several that were sent at once."""
        for exchange in exchanges:
            self.note(exchange)
            self._wait_for_world(exchange)
        if len(exchanges) == 1:
            answers = [self._send_in_time(exchanges[0])]
        else:
            answers = self._send_together(exchanges)
        for exchange, answer in zip(exchanges, answers, strict=True):
            self._learn(exchange, answer)
        return [
            compare((exchange.status, exchange.reason, exchange.body), answer)
            for exchange, answer in zip(exchanges, answers, strict=True)
        ]

    def _advance(self, seconds: float) -> None:
        self._simulator.run(self._clock.advance(seconds))

    def _answers(self, sent: list[Future[Answer]]) -> list[Answer]:
        """Let time pass until all have been answered."""
        while wait(sent, ANSWERED).not_done:
            self._advance(STEP)
        return [future.result() for future in sent]

    def _send_together(self, exchanges: list[Exchange]) -> list[Answer]:
        """In the order in which they were served, a moment apart."""
        order = sorted(range(len(exchanges)), key=lambda index: _started(exchanges[index]))
        sent = {}
        for index in order:
            sent[index] = self._pool.submit(self._send, exchanges[index])
            wait([sent[index]], ANSWERED)
            self._advance(THINKING)
        return self._answers([sent[index] for index in range(len(exchanges))])

    def _wait_for_world(self, exchange: Exchange) -> None:
        """Let guests boot, clones get ahead and statistics arrive, as they had in the recording."""
        if not _is_first_poll(exchange):
            self._advance(THINKING)
        match = re.match(r"^/nodes/[^/]+/qemu/(\d+)/(\w+)", exchange.path)
        if match and match[2] == "agent" and exchange.status in (200, 596):
            self._advance_until(lambda server: _agent_is_up(server, int(match[1])))
        if match and match[2] == "config" and isinstance(exchange.data, dict) and "lock" in exchange.data:
            self._advance_until(lambda server: _is_past_stub(server, int(match[1])))
        if exchange.path in ("/cluster/resources", "/pools") and not _has_unknown(exchange):
            self._simulator.call(lambda server: server.world.broadcast.refresh())

    def _advance_until(self, condition: Callable[[Server], bool]) -> None:
        passed = 0.0
        while passed < PATIENCE and not self._simulator.call(condition):
            self._advance(STEP)
            passed += STEP

    def _send_in_time(self, exchange: Exchange) -> Answer:
        """Send it; the last poll of a task is repeated until the task has ended."""
        answer = self._answers([self._pool.submit(self._send, exchange)])[0]
        recorded = exchange.data if isinstance(exchange.data, dict) else {}
        if not exchange.path.endswith("/status") or recorded.get("status") != "stopped":
            return answer
        exitstatus = str(recorded.get("exitstatus", ""))
        passed = 0.0
        while _is_running(answer) and passed < PATIENCE:
            if outside.is_violent(exitstatus) and passed > BEFORE_VIOLENCE:
                self._end_task(answer[2]["data"]["upid"], exitstatus)
            self._advance(STEP)
            passed += STEP
            answer = self._send(exchange)
        return answer

    def _end_task(self, upid: str, exitstatus: str) -> None:
        self._simulator.call(lambda server: outside.end_task(server, upid, exitstatus))

    def _learn(self, exchange: Exchange, answer: Answer) -> None:
        """Remember which of the simulator's tasks stands for which recorded one."""
        played = answer[2].get("data") if isinstance(answer[2], dict) else None
        if isinstance(exchange.data, str) and isinstance(played, str) and UPID.fullmatch(exchange.data):
            self._upids[exchange.data] = played

    def _send(self, exchange: Exchange) -> Answer:
        path = UPID.sub(lambda match: self._upids.get(match[0], match[0]), exchange.path)
        path = _replace_encoded(path, self._upids)
        keywords: dict[str, Any] = {"headers": {**exchange.headers, **self._credentials(exchange)}}
        parameters = {name: self._value(value) for name, value in exchange.parameters.items()}
        if exchange.raw_body is not None:
            keywords["data"] = exchange.raw_body
        elif exchange.as_json:
            keywords["json"] = parameters
        elif exchange.method in ("GET", "DELETE"):
            path += ("&" if "?" in path else "?") + urlencode(parameters) if parameters else ""
        else:
            keywords["data"] = parameters
        # Every recorded request had a connection of its own.
        response = requests.request(
            exchange.method, f"{self._simulator.url}{PREFIX}{path}", timeout=60, **keywords
        )
        return response.status_code, _reason(response), _body(response)

    def _value(self, value: Any) -> Any:
        if value == "<scrubbed>":
            return self._simulator.root_password
        return self._upids.get(value, value) if isinstance(value, str) else value

    def _credentials(self, exchange: Exchange) -> dict[str, str]:
        if exchange.auth.endswith("ticket"):
            return self._ticket(exchange)
        match = _TOKEN.match(exchange.auth)
        if match:
            identity = Identity(match[1], match[2])
            return self._token(identity, good=exchange.status != 401)
        if exchange.status in (200, 595, 596) and not exchange.path.startswith("/access/ticket"):
            return self._ticket(exchange)  # recorded without a word about its credentials
        if exchange.status == 401 and exchange.reason == "Authentication failed!":
            return {"Authorization": "PVEAPIToken=malformed"}
        return {}

    def _ticket(self, exchange: Exchange) -> dict[str, str]:
        user = exchange.auth.removesuffix(" ticket") or "root@pam"

        def issue(server: Server) -> dict[str, str]:
            logins = server.world.logins
            headers = {"Cookie": f"PVEAuthCookie={logins.ticket(user)}"}
            if "csrf" not in exchange.reason:
                headers["CSRFPreventionToken"] = logins.csrf_token(user)
            return headers

        return self._simulator.call(issue)

    def _token(self, identity: Identity, *, good: bool) -> dict[str, str]:
        token = self._simulator.call(lambda server: server.cluster.directory.token(identity))
        secret = token.secret if token and good else "00000000-0000-0000-0000-000000000000"
        return {"Authorization": f"PVEAPIToken={identity.name}={secret}"}


def _replace_encoded(path: str, upids: dict[str, str]) -> str:
    for recorded, played in upids.items():
        encoded = recorded.replace(":", "%3A").replace("@", "%40").replace("!", "%21")
        path = path.replace(encoded, played)
    return path


def _started(exchange: Exchange) -> tuple[int, int]:
    """Where a request stood among those sent with it: by the start of its task."""
    match = re.match(r"UPID:[^:]+:([0-9A-F]+):([0-9A-F]+):", str(exchange.data))
    return (int(match[2], 16), int(match[1], 16)) if match else (1 << 62, 0)


def _agent_is_up(server: Server, vmid: int) -> bool:
    guest = server.world.guests.of(vmid)
    return guest is not None and guest.agent_up and guest.booted


def _is_past_stub(server: Server, vmid: int) -> bool:
    vm = server.cluster.vms.get(vmid)
    return vm is not None and "name" in vm.config


def _is_first_poll(exchange: Exchange) -> bool:
    """Was a task asked for at once after it had been started?"""
    data = exchange.data if isinstance(exchange.data, dict) else {}
    return exchange.path.endswith("/status") and data.get("status") == "running"


def _has_unknown(exchange: Exchange) -> bool:
    """Did the recording show a VM of a present node that was too new for statistics?"""
    lines = exchange.data if isinstance(exchange.data, list) else []
    known = {line["node"] for line in lines if line.get("status") not in (None, "unknown")}
    return any(
        line.get("type") == "qemu" and line["status"] == "unknown" and line["node"] in known for line in lines
    )


def _is_running(answer: Answer) -> bool:
    body = answer[2]
    return (
        isinstance(body, dict)
        and isinstance(body.get("data"), dict)
        and body["data"].get("status") == "running"
    )


def _reason(response: requests.Response) -> str:
    raw = response.reason
    return raw.decode() if isinstance(raw, bytes) else str(raw)


def _body(response: requests.Response) -> Any:
    try:
        return json.loads(response.content)
    except ValueError:
        return response.text
