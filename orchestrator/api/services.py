"""What the routes work with: made once for an application."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from redis import ConnectionPool

from orchestrator.accounts.identity import Authenticator
from orchestrator.api import broker
from orchestrator.api.rate_limits import RateLimiter
from orchestrator.intake.submit import Intake
from orchestrator.settings import Settings
from orchestrator.store.database import Database

READINESS_TIMEOUT = 1.0


@dataclass(frozen=True)
class Services:
    """The parts behind the routes."""

    settings: Settings
    database: Database
    intake: Intake
    authenticator: Authenticator
    limiter: RateLimiter
    broker: ConnectionPool

    @classmethod
    def make(cls, settings: Settings, database: Database) -> "Services":
        """Raises ConfigurationError when the settings cannot work."""
        return cls(
            settings=settings,
            database=database,
            intake=Intake(database, settings),
            authenticator=Authenticator(database, settings),
            limiter=RateLimiter(settings),
            broker=broker.pool(settings.broker, timeout=READINESS_TIMEOUT),
        )


async def _services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


Parts = Annotated[Services, Depends(_services)]


async def _database(parts: Parts) -> Database:
    return parts.database


Db = Annotated[Database, Depends(_database)]
