"""All tasks of all nodes, and the workers that run."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from simulator.clock import Clock
from simulator.errors import PveError
from simulator.state.nodes import Node
from simulator.tasks.task import UNEXPECTED, Job, Origin, Task
from simulator.tasks.upid import Upid

logger = logging.getLogger(__name__)

Worker = Callable[[Job], Awaitable[None]]

KEPT_PER_NODE = 1000
"""Finished tasks that a node remembers; PVE's index file rotates at about that many."""
KILL_AFTER = 5
"""Simulated seconds between SIGTERM and SIGKILL when a task is stopped."""


class TaskBoard:
    """Starts workers, and finds, ends and forgets tasks."""

    def __init__(self, clock: Clock, fork: float, changed: Callable[[], None]) -> None:
        self._clock = clock
        self._fork = fork
        self._changed = changed
        self._tasks: dict[str, dict[str, Task]] = {}
        self._workers: dict[str, tuple[Job, asyncio.Task[None]]] = {}

    def start(
        self, node: Node, kind: str, subject: str, user: str, worker: Worker, origin: Origin | None = None
    ) -> str:
        """Fork a worker; returns its UPID at once, as PVE does, whatever becomes of it."""
        now = self._clock.now() + node.clock_skew
        ticks = int((self._clock.now() - node.booted_at) * 100)
        upid = Upid(node.name, node.new_pid(), ticks, int(now), kind, subject, user)
        task = Task(upid)
        job = Job(task, self._clock, origin or Origin())
        self.keep(task)
        running = asyncio.create_task(self._run(node, job, worker))
        self._workers[str(upid)] = job, running
        return str(upid)

    async def _run(self, node: Node, job: Job, worker: Worker) -> None:
        task = job.task
        try:
            await job.sleep(self._fork)
            await worker(job)
            task.exitstatus = f"WARNINGS: {job.warnings}" if job.warnings else "OK"
            job.log(f"TASK {task.exitstatus}")
        except PveError as error:
            task.exitstatus = str(error).replace("\n", " ")
            job.log(f"TASK ERROR: {task.exitstatus}")
        except asyncio.CancelledError:
            task.exitstatus = UNEXPECTED
        except Exception:
            logger.exception("worker of %s failed", task.upid.type)
            task.exitstatus = UNEXPECTED
        finally:
            task.endtime = int(self._clock.now() + node.clock_skew)
            self._workers.pop(str(task.upid), None)
            self._forget_old(node.name)
            self._changed()

    def keep(self, task: Task) -> None:
        """Enter a task into its node's list."""
        self._tasks.setdefault(task.upid.node, {})[str(task.upid)] = task

    def _forget_old(self, node: str) -> None:
        tasks = self._tasks[node]
        for upid in list(tasks):
            if len(tasks) <= KEPT_PER_NODE:
                return
            if not tasks[upid].is_running:
                del tasks[upid]

    def find(self, node: str, upid: str) -> Task | None:
        """The task of that name, if the node still remembers it."""
        return self._tasks.get(node, {}).get(upid)

    def of_node(self, node: str) -> list[Task]:
        """A node's tasks, newest first."""
        return list(reversed(self._tasks.get(node, {}).values()))

    def all(self) -> Iterable[Task]:
        """Every task that is remembered."""
        for tasks in self._tasks.values():
            yield from tasks.values()

    def job(self, upid: str) -> Job | None:
        """The running worker of a task."""
        entry = self._workers.get(upid)
        return entry[0] if entry else None

    async def stop(self, upid: str) -> None:
        """SIGTERM, and SIGKILL for a worker that does not end."""
        if upid not in self._workers:
            return
        job, worker = self._workers[upid]
        job.interrupt()
        await asyncio.wait([worker], timeout=self._clock.timeout(KILL_AFTER))
        self.kill(upid)

    def kill(self, upid: str) -> bool:
        """SIGKILL: the worker ends at once and cleans up nothing."""
        entry = self._workers.get(upid)
        if entry is None:
            return False
        job, worker = entry
        job.kill()
        return worker.cancel()

    def kill_node(self, node: str) -> None:
        """All workers of a node end, as when it loses power."""
        for upid, (job, _) in list(self._workers.items()):
            if job.task.upid.node == node:
                self.kill(upid)

    def forget_finished(self, node: str) -> None:
        """Lose the records of a node's finished tasks, as when its log has rotated away."""
        self._tasks[node] = {
            upid: task for upid, task in self._tasks.get(node, {}).items() if task.is_running
        }

    async def shut_down(self) -> None:
        """End all workers."""
        workers = [worker for _, worker in self._workers.values()]
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
