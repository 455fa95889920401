"""A worker's health is progress: it hears its own bell through its own queue, or ends itself.

A worker can look alive after a broker outage and consume nothing any more (celery issues 8030, 8091, 10205).
Its supervisor starts a new one.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable

from celery import Celery
from kombu.exceptions import KombuError

log = logging.getLogger(__name__)

PULSE_TASK = "innkeeper.pulse"


def end_process() -> None:
    """Ask this process to leave; its operations are handed back on the way."""
    os.kill(os.getpid(), signal.SIGTERM)


class Pulse:
    """Rings every `period_seconds` and expects to hear it in `patience_seconds` while the broker is there."""

    def __init__(
        self,
        app: Celery,
        name: str,
        *,
        period_seconds: float = 20,
        patience_seconds: float = 120,
        give_up: Callable[[], None] = end_process,
    ) -> None:
        self.queue = f"pulse.{name}"
        self._app = app
        self._period = period_seconds
        self._patience = patience_seconds
        self._give_up = give_up
        self._heard_at = time.monotonic()
        self._stopped = threading.Event()
        app.task(name=PULSE_TASK, send_events=False)(self.hear)  # no noise in Flower

    def hear(self) -> None:
        """A ring came through."""
        self._heard_at = time.monotonic()

    def start(self) -> None:
        """Begin to ring, in a thread of its own."""
        self._heard_at = time.monotonic()
        threading.Thread(target=self._beat, name="pulse", daemon=True).start()

    def stop(self) -> None:
        """Ring no more."""
        self._stopped.set()

    def _beat(self) -> None:
        while not self._stopped.wait(self._period):
            try:
                self._app.send_task(PULSE_TASK, queue=self.queue, expires=self._patience)
            except (KombuError, OSError):
                self._heard_at = time.monotonic()  # the broker is away: not this worker's fault
                continue
            if time.monotonic() - self._heard_at > self._patience:
                log.error("no message came through for %.0f s: this worker ends itself", self._patience)
                self._give_up()
                return
