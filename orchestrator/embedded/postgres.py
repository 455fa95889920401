"""PostgreSQL for one machine, over a unix socket with a password."""

import secrets
import shutil
from pathlib import Path
from signal import SIGINT, SIGKILL

import psycopg
from psycopg import sql
from sqlalchemy import URL

from orchestrator.embedded.binaries import find_postgres
from orchestrator.embedded.server import ENVIRONMENT, Server
from orchestrator.embedded.spawn import last_lines, spawn
from orchestrator.errors import ConfigurationError

USER = DATABASE = "innkeeper"
SOCKET_PORT = 5432  # names the socket file; nothing listens on it over TCP
MAX_CONNECTIONS = 200
# For data that need not outlive a crash of the machine. A crash of the server alone loses nothing even so;
# `synchronous_commit=off` would change that.
UNSAFE = ["fsync=off", "full_page_writes=off"]


class EmbeddedPostgres(Server):
    """A PostgreSQL server with the database `innkeeper`.

    `port` adds TCP on 127.0.0.1. `fsync=False` is for tests: a power cut may lose or damage the data.
    """

    name = "postgres"
    stop_signal = SIGINT  # "fast": open sessions are ended

    def __init__(self, state_dir: Path, *, port: int | None = None, fsync: bool = True) -> None:
        super().__init__(state_dir, port=port)
        self._fsync = fsync

    @property
    def socket_path(self) -> Path:
        return self.home.socket_dir / f".s.PGSQL.{self.port or SOCKET_PORT}"

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the database `innkeeper`, over the unix socket. Contains the password."""
        return self.database_url(DATABASE)

    @property
    def tcp_url(self) -> str | None:
        """The same over TCP, if there is a port."""
        return self._render(DATABASE, "127.0.0.1") if self.port else None

    def database_url(self, name: str) -> str:
        """The URL of another database of this server."""
        return self._render(name, str(self.socket_path.parent))

    def _come_up(self) -> None:
        super()._come_up()
        self.create_database(DATABASE)

    def create_database(self, name: str) -> str:
        """Create the database unless it is there; its URL."""
        with self._connect() as server:
            if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.database_url(name)

    def fresh_database(self, template: str | None = None) -> str:
        """The URL of a new database under a random name: a copy of `template`, which nobody may be using."""
        name = f"fresh_{secrets.token_hex(6)}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
            sql.Identifier(name), sql.Identifier(template or "template1")
        )
        with self._connect() as server:
            server.execute(statement)
        return self.database_url(name)

    def _render(self, database: str, host: str) -> str:
        # Host and port as arguments of psycopg: a socket's directory cannot stand in the host part of a URL.
        query = {"host": host, "port": str(self.port or SOCKET_PORT)}
        url = URL.create("postgresql+psycopg", USER, self.home.password(), database=database, query=query)
        return url.render_as_string(hide_password=False)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.socket_path.parent),
            port=self.port or SOCKET_PORT,
            user=USER,
            password=self.home.password(),
            dbname="postgres",
            autocommit=True,
            connect_timeout=5,
        )

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _command(self) -> list[str | Path]:
        data = self.home.path / "data"
        version = data / "PG_VERSION"
        major = int(version.read_text()) if version.exists() else None
        program = self.home.program(find_postgres(self.home.account, data_major=major))
        if major is None:
            self._initialise(program.with_name("initdb"), data)
        # No server runs, so this is left from a kill. Its number may be another process's by now, which
        # PostgreSQL would take for itself.
        (data / "postmaster.pid").unlink(missing_ok=True)
        settings = [
            f"listen_addresses={'127.0.0.1' if self.port else ''}",
            f"max_connections={MAX_CONNECTIONS}",
            *([] if self._fsync else UNSAFE),
        ]
        options = [part for setting in settings for part in ("-c", setting)]
        port = str(self.port or SOCKET_PORT)
        return [program, "-D", data, "-k", self.socket_path.parent, "-p", port, *options]

    def _initialise(self, initdb: Path, data: Path) -> None:
        """Make the data directory, under another name first: half of one is never taken for a whole."""
        shutil.rmtree(self.home.path / "data.new", ignore_errors=True)
        new = self.home.make_private(self.home.path / "data.new")
        making = spawn(
            [
                initdb,
                *("--pgdata", new, "--username", USER, "--pwfile", self.home.password_file()),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--data-checksums"),
                *([] if self._fsync else ["--no-sync"]),
            ],
            env=ENVIRONMENT,
            log=self.log,
            on_parent_death=SIGKILL,
            account=self.home.account,
            cwd=Path("/"),
        )
        if making.wait():
            raise ConfigurationError(
                f"initdb could not make {data}; {self.log} ends with:\n{last_lines(self.log)}"
            )
        new.rename(data)
