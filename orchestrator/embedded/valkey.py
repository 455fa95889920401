"""Valkey (or Redis) for one machine, over a unix socket with a password."""

from pathlib import Path
from signal import SIGTERM
from urllib.parse import quote

import redis

from orchestrator.embedded.binaries import find_valkey
from orchestrator.embedded.server import Server


class EmbeddedValkey(Server):
    """A Valkey server that keeps its data (append-only file, synced every second) unless `persist` is False.

    `port` adds TCP on 127.0.0.1, for tools that cannot use sockets.
    """

    name = "valkey"
    stop_signal = SIGTERM

    def __init__(self, state_dir: Path, *, port: int | None = None, persist: bool = True) -> None:
        super().__init__(state_dir, port=port)
        self._persist = persist

    @property
    def socket_path(self) -> Path:
        return self.home.socket_dir / "valkey.sock"

    @property
    def url(self) -> str:
        """The broker URL for Celery and kombu. Contains the password."""
        return f"redis+socket://:{self.home.password()}@{quote(str(self.socket_path))}?virtual_host=0"

    @property
    def client_url(self) -> str:
        """The same for `redis.Redis.from_url`."""
        return f"unix://:{self.home.password()}@{quote(str(self.socket_path))}?db=0"

    @property
    def tcp_url(self) -> str | None:
        """The URL over TCP, if there is a port; for all of them."""
        return f"redis://:{self.home.password()}@127.0.0.1:{self.port}/0" if self.port else None

    def wipe(self) -> None:
        """Delete everything in it: every message is lost."""
        with redis.Redis.from_url(self.client_url) as client:
            client.flushall()

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.client_url) as client:
                return bool(client.ping())
        except redis.ConnectionError:  # also while it loads its data
            return False

    def _command(self) -> list[str | Path]:
        program = self.home.program(find_valkey(self.home.account))
        data = self.home.make_private(self.home.path / "data")
        settings = {
            "port": self.port or 0,
            "bind": "127.0.0.1",
            "unixsocket": _quoted(self.socket_path),
            "unixsocketperm": 700,
            "requirepass": self.home.password(),
            "dir": _quoted(data),
            "appendonly": "yes" if self._persist else "no",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        text = "".join(f"{name} {value}\n" for name, value in settings.items())
        return [program, self.home.write_secret("valkey.conf", text)]


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
