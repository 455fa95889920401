"""The gateway to one Proxmox VE cluster: every call that Innkeeper makes, typed and bounded."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from workers.proxmox.access import ClusterAccess
from workers.proxmox.changes import Changes
from workers.proxmox.connection import Connection
from workers.proxmox.limits import CallLimits, Slots
from workers.proxmox.names import checked
from workers.proxmox.reads import Reads

_BITE_SECONDS = 0.2


class Gateway(Reads, Changes):
    """One cluster, in one process. Safe for threads. Connects at the first call, and anew after a fork."""

    def __init__(self, access: ClusterAccess, limits: CallLimits | None = None) -> None:
        """Never connects, so that a cluster that is down does not keep a worker from starting."""
        limits = limits or CallLimits()
        self._connection = Connection(access, limits)
        self._clones = Slots(limits.clones_per_storage)

    @contextmanager
    def clone_slot(self, node: str, storage: str, pause: Callable[[float], None]) -> Iterator[None]:
        """Hold one of the places for clones to that storage, for the whole clone task.

        Waits by calling `pause(seconds)` in bites of 0.2 s; what `pause` raises ends the wait.
        """
        key = (checked("node", node), checked("storage", storage))
        with self._clones.waiting(*key, pause=pause, bite_seconds=_BITE_SECONDS):
            yield

    def close(self) -> None:
        """Close open connections. The gateway may be used again."""
        self._connection.close()
