"""One worker process: everything its steps share, built once, and its way in and out."""

import logging
from collections.abc import Sequence

from celery import Celery
from celery.signals import worker_shutting_down

from orchestrator.queue.app import LOOK_AT_CLUSTER_TASK, SWEEP_CLUSTER_TASK, make_app, node_queue
from orchestrator.queue.chains import Bell
from orchestrator.settings import Settings
from orchestrator.store.database import Database
from workers.gateways import Gateways
from workers.heartbeat import Keeper
from workers.observe import observe
from workers.pulse import Pulse
from workers.runner import Runner
from workers.sweep import sweep
from workers.tasks import register

log = logging.getLogger(__name__)


class WorkerProcess:
    """The pool of one or more nodes in this process."""

    def __init__(self, settings: Settings, nodes: Sequence[str], name: str) -> None:
        self.settings = settings
        self.nodes = tuple(nodes)
        self.name = name
        self.app: Celery = make_app(settings)
        self.database = Database(settings.database)
        self.database.announce = Bell(self.app).ring
        self.keeper = Keeper(
            self.database,
            lease_seconds=settings.lease_seconds,
            heartbeat_seconds=settings.heartbeat_seconds,
        )
        self.gateways = Gateways(self.database, settings)
        self.runner = Runner(
            settings=settings,
            database=self.database,
            gateways=self.gateways,
            keeper=self.keeper,
            name=name,
        )
        register(self.app, self.runner)
        self.app.task(name=LOOK_AT_CLUSTER_TASK, send_events=False)(self.look)
        self.app.task(name=SWEEP_CLUSTER_TASK, send_events=False)(self.sweep)
        self.pulse = Pulse(self.app, name)

    def run(self) -> None:
        """Serve the nodes' queues until told to stop; operations are handed back at once then."""
        worker_shutting_down.connect(self._shut_down)
        self.pulse.start()
        queues = [*(node_queue(node) for node in self.nodes), self.pulse.queue]
        self.app.worker_main(
            [
                "worker",
                "--pool=threads",
                f"--concurrency={self.settings.worker_threads}",
                f"--hostname={self.name}",
                f"--queues={','.join(queues)}",
                "--without-gossip",
                "--without-mingle",
                "--task-events",
                f"--loglevel={self.settings.log_level}",
            ]
        )

    def look(self, cluster: str) -> str:
        """Look at a cluster's nodes and VMs."""
        return observe(self.database, self.gateways, self.settings, cluster)

    def sweep(self, cluster: str) -> str:
        """Compare all that a cluster has with the store."""
        return sweep(self.database, self.gateways, self.settings, cluster)

    def _shut_down(self, **_: object) -> None:
        log.info("shutting down: operations are handed back")
        self.pulse.stop()
        self.keeper.shut_down()
