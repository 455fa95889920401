"""The broker as the API sees it: rate limits are counted there, and readiness asks whether it answers."""

from urllib.parse import parse_qs, urlsplit

from redis import ConnectionPool, Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestrator.errors import ConfigurationError


def client_url(broker_url: str) -> str:
    """kombu's URL as redis-py writes it: they differ for unix sockets."""
    parts = urlsplit(broker_url)
    if parts.scheme != "redis+socket":
        return broker_url
    database = parse_qs(parts.query).get("virtual_host", ["0"])[0]
    return parts._replace(scheme="unix", query=f"db={database}").geturl()


def pool(broker_url: str, *, timeout: float) -> ConnectionPool:
    """Connections that answer or fail within `timeout` seconds, without a second try.

    Raises ConfigurationError; its text does not contain the URL, which has a password.
    """
    try:
        return ConnectionPool.from_url(
            client_url(broker_url),
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        raise ConfigurationError(
            "INNKEEPER_BROKER_URL must be redis://, rediss:// or redis+socket://."
        ) from None


def answers(connections: ConnectionPool) -> bool:
    """Whether the broker answers a ping."""
    try:
        return bool(Redis(connection_pool=connections).ping())
    except (RedisError, OSError):
        return False
