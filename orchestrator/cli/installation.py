"""Everything on one machine: embedded servers, all parts as child processes, and a first user."""

import json
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Self

import httpx

from orchestrator.accounts import api_keys, users
from orchestrator.catalog import reads
from orchestrator.catalog.apply import apply
from orchestrator.catalog.check import check
from orchestrator.cli.simulated import Simulated
from orchestrator.embedded import Child, EmbeddedPostgres, EmbeddedValkey, Supervisor, free_port
from orchestrator.embedded.child import Death
from orchestrator.errors import ConfigurationError
from orchestrator.store import migrate
from orchestrator.store.database import Database

OWNER = "owner@localhost"
READY_SECONDS = 60
SHOWN_CHANGES = 5
FLOWER_VIEW = (
    "--natural_time=False",
    "--tasks-columns=name,state,kwargs,received,runtime,worker,retries,exception",
)


@dataclass(frozen=True)
class Access:
    """What a person needs to use a running installation."""

    url: str
    api_key: str = field(repr=False)
    flower_url: str
    flower_user: str
    flower_password: str = field(repr=False)

    @property
    def docs_url(self) -> str:
        return f"{self.url}/docs"


class Installation:
    """One installation over one state directory. Use it as a context manager.

    Either `simulated` nodes or a `catalog` of real ones. `environment` are further settings of all parts.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        catalog: Path | None = None,
        simulated: Simulated | None = None,
        environment: Mapping[str, str] | None = None,
        port: int | None = None,
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.state_dir = state_dir.absolute()
        self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.simulated = simulated
        self.postgres = EmbeddedPostgres(self.state_dir)
        self.valkey = EmbeddedValkey(self.state_dir)
        self.nodes: tuple[str, ...] = ()
        self._catalog = catalog
        self._announce = announce
        self._port = port or free_port()
        self._flower_port = free_port()
        self._extra = dict(environment or {})
        self._parts: Supervisor | None = None

    @property
    def parts(self) -> Supervisor:
        """The child processes of a started installation."""
        if self._parts is None:
            raise ConfigurationError("The installation is not started.")
        return self._parts

    @property
    def environment(self) -> dict[str, str]:
        """The settings that every part needs, secrets included: for child processes only."""
        return {
            "INNKEEPER_DATABASE_URL": self.postgres.url,
            "INNKEEPER_BROKER_URL": self.valkey.url,
            "PYTHONUNBUFFERED": "1",
            **(self.simulated.environment if self.simulated else {}),
            **self._extra,
        }

    @property
    def access(self) -> Access:
        """Where everything is."""
        return Access(
            url=f"http://127.0.0.1:{self._port}",
            api_key=self._profile()["api_key"],
            flower_url=f"http://127.0.0.1:{self._flower_port}",
            flower_user="operator",
            flower_password=self.secret("flower"),
        )

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and return when it is ready to serve."""
        self._announce("starting PostgreSQL and Valkey")
        self.postgres.start()
        self.valkey.start()
        if self.simulated is not None:
            self._announce("starting the simulated Proxmox VE")
            self._catalog = self.simulated.start(self.state_dir)
        self._announce("preparing the database and the catalog")
        self._prepare()
        self._announce(f"starting the API, the scheduler, Flower and {len(self.nodes)} workers")
        self._parts = Supervisor(self.state_dir, self._children(), on_death=self._on_death)
        self._parts.start()
        self._parts.wait_ready("api", self._api_is_ready, READY_SECONDS)
        for name in ("scheduler", *(f"worker-{node}" for node in self.nodes)):
            self._parts.wait_ready(name, partial(self._log_says_ready, name), READY_SECONDS)

    def stop(self) -> None:
        """Stop everything; running operations go on at the next start."""
        if self._parts is not None:
            self._parts.stop()
        if self.simulated is not None:
            self.simulated.stop()
        self.valkey.stop()
        self.postgres.stop()

    def remove(self) -> None:
        """Stop everything and delete the servers' data, which may lie outside of the state directory."""
        self.stop()
        self.valkey.remove()
        self.postgres.remove()

    def check(self) -> None:
        """Look after everything once: what died is started again."""
        for server in (self.postgres, self.valkey):
            if server.pid is None:
                self._announce(f"{server.name} ended; it starts again (log: {server.log})")
                server.restart()
        self.parts.check()
        if self.simulated is not None:
            self.simulated.check()

    def secret(self, name: str) -> str:
        """A random secret of this installation, kept in a file that only its owner can read."""
        path = self.state_dir / f"{name}.secret"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(32))
        return path.read_text()

    def _prepare(self) -> None:
        if self._catalog is None:
            raise ConfigurationError(
                "Name a catalog with --catalog FILE, or use --sim for a simulated cluster."
            )
        database = Database(self.postgres.url)
        migrate.upgrade(database.engine)
        document = check(self._catalog)
        with database.transaction() as tx:
            lines = apply(tx, document).lines
        for line in lines[:SHOWN_CHANGES]:
            self._announce(f"catalog: {line}")
        if len(lines) > SHOWN_CHANGES:
            self._announce(f"catalog: and {len(lines) - SHOWN_CHANGES} changes more")
        with database.transaction() as tx:
            self.nodes = tuple(node.id for node in reads.nodes(tx))
            if not self._profile_path.exists():
                user = users.add(tx, OWNER, max_vms=1000, max_hourly_spend=Decimal(100_000))
                key = api_keys.create(tx, user.id, name="innkeeper up", scopes=["read_write"])
                self._profile_path.touch(mode=0o600)
                self._profile_path.write_text(json.dumps({"api_key": key.text}))
        self._profile_path.write_text(
            json.dumps({**self._profile(), "url": f"http://127.0.0.1:{self._port}"})
        )
        database.close()

    @property
    def _profile_path(self) -> Path:
        return self.state_dir / "client.json"

    def _profile(self) -> dict[str, str]:
        profile: dict[str, str] = json.loads(self._profile_path.read_text())
        return profile

    def _children(self) -> list[Child]:
        python, environment = sys.executable, self.environment
        own = [python, "-m", "orchestrator.cli"]
        flower = [python, "-m", "celery", "-A", "orchestrator.scheduler.flower", "flower"]
        return [
            Child(
                "api",
                [*own, "api", "--port", str(self._port)],
                {**environment, "INNKEEPER_JWT_SECRET": self.secret("jwt")},
            ),
            Child("scheduler", [*own, "scheduler", "--state-dir", self.state_dir], environment),
            *(
                Child(f"worker-{node}", [python, "-m", "workers", "--node", node], environment)
                for node in self.nodes
            ),
            Child(
                "flower",
                [*flower, "--address=127.0.0.1", f"--port={self._flower_port}", *FLOWER_VIEW],
                {**environment, "FLOWER_BASIC_AUTH": f"operator:{self.secret('flower')}"},
            ),
        ]

    def _api_is_ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}/readyz", timeout=2).is_success
        except httpx.HTTPError:
            return False

    def _log_says_ready(self, name: str) -> bool:
        log = self.state_dir / "logs" / f"{name}.log"
        return log.exists() and " ready." in log.read_text(errors="replace")

    def _on_death(self, death: Death) -> None:
        self._announce(
            f"{death.name} ended with exit code {death.exit_code}; it starts again in {death.restart_in:g} s "
            f"(log: {self.state_dir / 'logs' / death.name}.log)"
        )
