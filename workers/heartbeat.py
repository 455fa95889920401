"""Keeping the leases of a worker process alive, and telling its steps when to stop."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from orchestrator.errors import Cancelled, HandedBack, LeaseLost
from orchestrator.store.database import Database
from orchestrator.vms.operations import Lease, extend

log = logging.getLogger(__name__)


class Held:
    """One lease in use. `wake` is set as soon as its step should stop."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.renewed_at = time.monotonic()
        self.wake = threading.Event()
        self.lost = False
        self.cancelled = False


class Keeper:
    """Extends all leases of this process with one statement each `heartbeat_seconds`."""

    def __init__(self, database: Database, *, lease_seconds: float, heartbeat_seconds: float) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._held: dict[UUID, Held] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def stopping(self) -> bool:
        """Whether this worker is on its way out."""
        return self._stopping.is_set()

    def shut_down(self) -> None:
        """Ask every running step to hand its operation back."""
        self._stopping.set()
        with self._lock:
            for held in self._held.values():
                held.wake.set()

    def close(self) -> None:
        """End the thread that extends the leases; returns when it has let go of the database."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    @contextmanager
    def holding(self, lease: Lease) -> Iterator[Held]:
        """Keep `lease` alive for the time of the block."""
        held = Held(lease)
        with self._lock:
            self._held[lease.token] = held
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name="lease-keeper", daemon=True)
                self._thread.start()
        try:
            yield held
        finally:
            with self._lock:
                del self._held[lease.token]

    def check(self, held: Held) -> None:
        """Raise what should end the step now, if anything should."""
        if held.lost:
            raise LeaseLost(f"Operation {held.lease.operation.id} has a newer owner.")
        if held.cancelled:
            raise Cancelled(f"Operation {held.lease.operation.id} was overtaken.")
        if self.stopping:
            raise HandedBack("This worker is shutting down.")

    def ensure(self, held: Held, *, seconds: float) -> None:
        """Make sure that the lease outlives a call of `seconds`, or raise LeaseLost."""
        self.check(held)
        if time.monotonic() - held.renewed_at + seconds > self._lease_seconds:
            self.renew([held], seconds=max(seconds, self._lease_seconds))
            self.check(held)

    def renew(self, held: list[Held], *, seconds: float) -> None:
        """Extend the given leases to `seconds` from now and note which are lost or overtaken."""
        before = time.monotonic()
        with self._database.transaction() as tx:
            alive = extend(tx, [one.lease.token for one in held], seconds=seconds)
        for one in held:
            one.lost = one.lease.token not in alive
            one.cancelled = alive.get(one.lease.token, False)
            one.renewed_at = before
            if one.lost or one.cancelled:
                one.wake.set()

    def _beat(self) -> None:
        while not self._closed.wait(self._heartbeat_seconds):
            with self._lock:
                held = list(self._held.values())
            if not held:
                continue
            try:
                self.renew(held, seconds=self._lease_seconds)
            except SQLAlchemyError as error:
                # The database is away: steps go on while their leases last; `ensure` stops them after that.
                log.warning("leases were not extended: %s", type(error).__name__)
