"""The state file: a cluster and its tasks, kept across restarts."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from simulator.config import SimConfig
from simulator.state.cluster import Cluster
from simulator.state.codec import decode, encode
from simulator.tasks.task import UNEXPECTED, Task

FORMAT = 1
SHORTEST_PAUSE = 0.3
"""Wall seconds between two writes: what happens in between can be lost with a SIGKILL."""


class StateError(Exception):
    """The file does not fit."""


def load(path: Path, config: SimConfig) -> tuple[Cluster, list[Task]] | None:
    """What the file holds; None when there is none yet.

    Workers did not survive: their tasks end without a last line, as after a crash. VMs that ran still run.
    """
    if not path.exists():
        return None
    try:
        document = json.loads(path.read_text())
        cluster = decode(Cluster, document["cluster"])
        tasks = decode(list[Task], document["tasks"])
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(f"{path} is no state file of this version: {error}") from error
    wanted = [node.name for node in config.nodes]
    if list(cluster.nodes) != wanted:
        raise StateError(
            f"{path} was made with {len(cluster.nodes)} nodes, not {len(wanted)}: remove it or use it"
        )
    for (name, _), store in cluster.stores.items():
        store.storage = cluster.storages[name]
    for task in tasks:
        task.exitstatus = task.exitstatus or UNEXPECTED
    return cluster, tasks


class StateFile:
    """Writes the state soon after it has changed."""

    def __init__(self, path: Path, cluster: Cluster, tasks: Callable[[], Iterable[Task]]) -> None:
        self._path = path
        self._cluster = cluster
        self._tasks = tasks
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """There is something to write."""
        self._changed.set()

    async def run(self) -> None:
        """Write after changes; the larger the state the longer the pauses."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            began = time.monotonic()
            document = self._document()
            await asyncio.to_thread(self._write, document)
            await asyncio.sleep(max(SHORTEST_PAUSE, 5 * (time.monotonic() - began)))

    def save(self) -> None:
        """Write now."""
        self._write(self._document())

    def _document(self) -> dict[str, Any]:
        return {"format": FORMAT, "cluster": encode(self._cluster), "tasks": encode(list(self._tasks()))}

    def _write(self, document: dict[str, Any]) -> None:
        draft = self._path.with_suffix(self._path.suffix + ".new")
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
        draft.touch(mode=0o600)  # it holds the token's secret
        draft.write_text(json.dumps(document))
        draft.replace(self._path)
