"""The Celery application. The broker is a bell: it may lose and repeat messages without harm.

Figures and traps behind each option: docs/decisions/0002.
"""

from celery import Celery
from kombu import Queue

from orchestrator.settings import Settings

SCHEDULER_QUEUE = "scheduler"
STEP_TASKS = "innkeeper.steps."
WAKE_TASK = "innkeeper.scheduler.wake"
WATCH_TASK = "innkeeper.scheduler.watch"
SWEEP_TASK = "innkeeper.scheduler.sweep"
DRAIN_TASK = "innkeeper.scheduler.drain"
RESERVATIONS_TASK = "innkeeper.scheduler.reservations"
RECLAIM_TASK = "innkeeper.scheduler.reclaim"
RECLAIM_NOW_TASK = "innkeeper.scheduler.reclaim_now"
RESTORE_TASK = "innkeeper.scheduler.restore"
LOOK_AT_CLUSTER_TASK = "innkeeper.watch"
SWEEP_CLUSTER_TASK = "innkeeper.sweep"
RETRY_TASK = "innkeeper.ops.retry"
EXPLAIN_TASK = "innkeeper.ops.explain"

VISIBILITY_SECONDS = 12 * 3600
"""Longer than any step: recovery comes from the wake duty, not from the broker's redelivery."""


def node_queue(node_id: str) -> str:
    """The queue of a node's worker pool."""
    return f"node.{node_id}"


def make_app(settings: Settings) -> Celery:
    """A Celery application on the broker of `settings`, without a result backend."""
    app = Celery("innkeeper", broker=settings.broker, set_as_current=False)
    app.conf.update(
        task_default_queue=SCHEDULER_QUEUE,
        task_queues=[Queue(SCHEDULER_QUEUE)],
        task_create_missing_queues=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_serializer="json",
        accept_content=["json"],
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_send_task_events=True,
        worker_hijack_root_logger=False,
        worker_enable_remote_control=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "max_retries": 0,  # for who sends: a request never waits for a broker that is away
            "visibility_timeout": VISIBILITY_SECONDS,
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "priority_steps": [0],
        },
        result_backend=None,
        enable_utc=True,
    )
    return app
