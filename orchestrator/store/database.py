"""Engine and transactions. Messages and other outside effects wait until the commit."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from orchestrator.errors import NotReady
from orchestrator.store import schema

STATEMENT_TIMEOUT_MS = 15_000
LOCK_TIMEOUT_MS = 10_000


class Transaction(Session):
    """A session that carries what must happen after its commit, and only then."""

    def __init__(self, bind: Engine) -> None:
        super().__init__(bind, expire_on_commit=False, autoflush=True)
        self._after_commit: list[Callable[[], None]] = []
        self._rung: list[Any] = []

    def after_commit(self, effect: Callable[[], None]) -> None:
        """Run `effect` once this transaction is durable; dropped on roll-back."""
        self._after_commit.append(effect)

    def ring(self, what: Any) -> None:
        """Announce `what` (an operation, a node's want of capacity) once this transaction is durable."""
        self._rung.append(what)

    def run_effects(self, announce: Callable[[Sequence[Any]], None]) -> None:
        """What was put off until the commit."""
        effects, self._after_commit = self._after_commit, []
        for effect in effects:
            effect()
        rung, self._rung = self._rung, []
        if rung:
            announce(rung)


class Database:
    """The PostgreSQL database of one process (one pool of connections).

    `announce` sends what transactions ring for. A process without a bell leaves it to the wake duty.
    """

    tables = schema.metadata
    """Whoever has a database has imported all tables: foreign keys are resolved by name."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.announce: Callable[[Sequence[Any]], None] = lambda _: None
        self.engine = create_engine(
            url,
            hide_parameters=True,  # else an error would show hashes and digests in logs
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            pool_timeout=10,
            connect_args={
                "connect_timeout": 5,
                "options": f"-c timezone=UTC -c statement_timeout={STATEMENT_TIMEOUT_MS}"
                f" -c lock_timeout={LOCK_TIMEOUT_MS} -c idle_in_transaction_session_timeout=60000",
            },
        )

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One transaction: committed at the end of the block, rolled back on any exception."""
        with Transaction(self.engine) as session:
            with session.begin():
                yield session
            session.run_effects(self.announce)

    @contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """One moment of the database, to read from. PostgreSQL refuses every change in it."""
        with self.transaction() as tx:
            tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            yield tx

    def ping(self) -> None:
        """Raise NotReady unless the database answers."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except OperationalError as error:
            raise NotReady("The database does not answer; try again in a moment.") from error

    def close(self) -> None:
        self.engine.dispose()
