"""Rate limits per account, counted in the broker's Redis; without Redis nobody is held up."""

import logging
import math
import threading
import time
from enum import StrEnum

from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis import RedisError

from orchestrator.api import broker
from orchestrator.errors import TooManyRequests
from orchestrator.settings import Settings

log = logging.getLogger(__name__)

TIMEOUT = 0.1
"""Seconds for a connection, and for an answer."""
PAUSE = 5.0
"""Seconds without counting after Redis failed, so that it does not slow each request."""
PREFIX = "innkeeper:limits"


class LimitClass(StrEnum):
    """What is counted together."""

    READS = "reads"
    CHANGES = "changes"
    LOGIN = "login"


class RateLimiter:
    """Counts calls per account and class in a moving window of one minute."""

    def __init__(self, settings: Settings) -> None:
        url = broker.client_url(settings.broker)
        connections = broker.pool(settings.broker, timeout=TIMEOUT)
        self._window = MovingWindowRateLimiter(RedisStorage(url, connections, key_prefix=PREFIX))
        self._limits = {
            LimitClass.READS: RateLimitItemPerMinute(settings.reads_per_minute),
            LimitClass.CHANGES: RateLimitItemPerMinute(settings.changes_per_minute),
            LimitClass.LOGIN: RateLimitItemPerMinute(settings.login_class_per_minute),
        }
        self._lock = threading.Lock()
        self._paused_until = 0.0
        self.uncounted = 0
        """Calls that were let through because Redis did not answer."""

    def count(self, limit_class: LimitClass, user_id: int) -> None:
        """Count one call. Raises TooManyRequests."""
        if time.monotonic() < self._paused_until:
            self._let_through()
            return
        limit, name = self._limits[limit_class], (limit_class.value, str(user_id))
        try:
            if self._window.hit(limit, *name):
                return
            wait = self._window.get_window_stats(limit, *name).reset_time - time.time()
        except (RedisError, OSError) as error:
            self._paused_until = time.monotonic() + PAUSE
            log.warning(
                "rate limits are not counted for %g s: Redis does not answer (%s)",
                PAUSE,
                type(error).__name__,
            )
            self._let_through()
            return
        raise TooManyRequests(
            f"This account may make {limit.amount} {limit_class} a minute.",
            retry_after=max(1, math.ceil(wait)),
        )

    def _let_through(self) -> None:
        with self._lock:
            self.uncounted += 1
