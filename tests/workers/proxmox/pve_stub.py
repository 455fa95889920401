"""A small HTTP server that answers like Proxmox VE, or misbehaves on order."""

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from workers.proxmox import ClusterAccess

API = "/api2/json"
SECRET = "0f1e2d3c-very-secret-token"
UPID = "UPID:pve1:00000571:00051FF7:6B0443D3:qmclone:9000:innkeeper@pve!orch:"


def access_to(*endpoints: str, **options: str | None) -> ClusterAccess:
    return ClusterAccess("lab", endpoints, "innkeeper@pve!orch", SECRET, **options)


@dataclass
class Reply:
    """An answer, or a way of failing. `body` as bytes goes out as it is; otherwise as JSON."""

    status: int = 200
    body: Any = None
    reason: str = "OK"
    content_type: str = "application/json;charset=UTF-8"
    headers: dict[str, str] = field(default_factory=dict)
    hang_seconds: float = 0.0
    reset: bool = False
    truncated: bool = False
    close_idle: bool = False


def data(value: Any, **more: Any) -> Reply:
    return Reply(body={"data": value, **more})


def failure(status: int, message: str, errors: dict[str, str] | None = None) -> Reply:
    body: dict[str, Any] = {"data": None, "message": message + "\n"}
    if errors:
        body["errors"] = errors
    return Reply(status=status, reason=message.splitlines()[0], body=body)


@dataclass
class Request:
    method: str
    path: str
    parameters: dict[str, str]
    headers: dict[str, str]
    body: str
    connection: int


class PveStub:
    """`answers` maps "GET /version" to a Reply, or a list of Replies used up in turn (the last one stays)."""

    def __init__(self) -> None:
        self.answers: dict[str, Reply | list[Reply] | Callable[[Request], Reply]] = {}
        self.requests: list[Request] = []
        self.url = ""
        self.busiest = 0
        self._busy = 0
        self._lock = threading.Lock()

    def on(self, request: str, *replies: Reply) -> None:
        self.answers[request] = list(replies)

    def asked(self, request: str) -> list[Request]:
        return [seen for seen in self.requests if f"{seen.method} {seen.path}" == request]

    @property
    def last(self) -> Request:
        return self.requests[-1]

    def reply(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            answer = self.answers.get(f"{request.method} {request.path}")
            if answer is None:
                return failure(501, f"Method '{request.method} {request.path}' not implemented")
            if callable(answer):
                return answer(request)
            if isinstance(answer, list):
                return answer.pop(0) if len(answer) > 1 else answer[0]
            return answer

    @contextmanager
    def busy(self) -> Iterator[None]:
        with self._lock:
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1


def _handler(stub: PveStub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5
        disable_nagle_algorithm = True

        def log_message(self, *_: Any) -> None:
            pass

        def answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            parsed = parse_qs(body or parts.query, keep_blank_values=True)
            request = Request(
                method=self.command,
                path=parts.path.removeprefix(API),
                parameters={key: values[0] for key, values in parsed.items()},
                headers=dict(self.headers.items()),
                body=body,
                connection=self.client_address[1],
            )
            with stub.busy():
                self.give(stub.reply(request))

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

        def give(self, reply: Reply) -> None:
            if reply.hang_seconds:
                time.sleep(reply.hang_seconds)
            if reply.reset:
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                self.close_connection = True
                return
            raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            try:
                self.send_response(reply.status, reply.reason)
                self.send_header("Content-Type", reply.content_type)
                self.send_header("Content-Length", str(len(raw) + (10 if reply.truncated else 0)))
                for key, value in reply.headers.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(raw)
            except OSError:
                pass
            self.close_connection = reply.status >= 400 or reply.truncated or reply.close_idle

    return Handler


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: Any) -> None:
        pass


@contextmanager
def serve(tls: ssl.SSLContext | None = None) -> Iterator[PveStub]:
    stub = PveStub()
    server = _Quiet(("127.0.0.1", 0), _handler(stub))
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    stub.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def unused_address() -> str:
    """An address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
