"""Back-pressure: how long a call may take, and how many may be under way at once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from orchestrator.errors import ConfigurationError, PveTransient

# pvedaemon and pveproxy have three worker processes each, and each handles one call at a time (PVE 9.2).
PVE_WORKERS = 3


@dataclass(frozen=True)
class CallLimits:
    """Limits of one Gateway, that is of one process and cluster.

    Times in seconds without an answer. PVE cuts its own hop to a node after 30 s and goes on working; a
    change waits a little longer than that, so that PVE's answer (596) comes first. A slot is one call; a
    clone slot one whole clone task: clones queue up at the storage's lock, whose wait is 10 s.
    """

    reads_seconds: float = 10.0
    changes_seconds: float = 35.0
    in_flight_per_node: int = 2
    clones_per_storage: int = 2
    connect_seconds: float = 5.0

    def __post_init__(self) -> None:
        if not 1 <= self.in_flight_per_node <= PVE_WORKERS:
            raise ConfigurationError(
                f"in_flight_per_node must be 1 to {PVE_WORKERS}, the number of API workers of a PVE node; "
                f"it is {self.in_flight_per_node}"
            )
        if self.clones_per_storage < 1:
            raise ConfigurationError(
                f"clones_per_storage must be at least 1; it is {self.clones_per_storage}"
            )


class Slots:
    """Counting semaphores by key, made when first asked for. Safe for threads; every process has its own."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._guard = threading.Lock()
        self._by_key: dict[tuple[str, ...], threading.Semaphore] = {}

    def _of(self, key: tuple[str, ...]) -> threading.Semaphore:
        with self._guard:
            return self._by_key.setdefault(key, threading.Semaphore(self._size))

    @contextmanager
    def within(self, *key: str, seconds: float, busy: str) -> Iterator[None]:
        """Hold a slot; wait for it up to `seconds`, then raise PveTransient with the text `busy`."""
        slot = self._of(key)
        if not slot.acquire(timeout=seconds):
            raise PveTransient(busy)
        try:
            yield
        finally:
            slot.release()

    @contextmanager
    def waiting(self, *key: str, pause: Callable[[float], None], bite_seconds: float) -> Iterator[None]:
        """Hold a slot; wait for it through the caller's `pause`, which may raise to cut the wait short."""
        slot = self._of(key)
        while not slot.acquire(blocking=False):
            pause(bite_seconds)
        try:
            yield
        finally:
            slot.release()
