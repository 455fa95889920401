"""A worker that hears nothing through its queue ends itself."""

import threading
from types import SimpleNamespace
from typing import Any, cast

from kombu.exceptions import OperationalError

from workers.pulse import Pulse


class App:
    """A Celery application whose broker does as the test says."""

    def __init__(self, *, deliver: bool, broken: bool = False) -> None:
        self.deliver, self.broken = deliver, broken
        self.pulse: Pulse | None = None
        self.sent = threading.Semaphore(0)

    def task(self, **_: Any) -> Any:
        return lambda function: function

    def send_task(self, name: str, *, queue: str, expires: float) -> SimpleNamespace:
        self.sent.release()
        if self.broken:
            raise OperationalError
        if self.deliver and self.pulse:
            self.pulse.hear()
        return SimpleNamespace()


def start(app: App) -> tuple[Pulse, threading.Event]:
    ended = threading.Event()
    pulse = Pulse(cast(Any, app), "vm01@host", period_seconds=0.01, patience_seconds=0.05, give_up=ended.set)
    app.pulse = pulse
    pulse.start()
    return pulse, ended


def test_a_worker_that_hears_its_bell_lives() -> None:
    app = App(deliver=True)
    pulse, ended = start(app)
    for _ in range(20):
        assert app.sent.acquire(timeout=5)
    pulse.stop()
    assert not ended.is_set()


def test_a_worker_that_hears_nothing_ends_itself() -> None:
    _, ended = start(App(deliver=False))
    assert ended.wait(5)


def test_a_broker_that_is_away_is_not_the_workers_fault() -> None:
    app = App(deliver=False, broken=True)
    pulse, ended = start(app)
    for _ in range(20):
        assert app.sent.acquire(timeout=5)
    pulse.stop()
    assert not ended.is_set()
