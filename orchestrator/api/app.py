"""The FastAPI application: all routes, and what stands around them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import metadata

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI

from orchestrator.api import (
    api_keys,
    billing,
    catalog,
    errors,
    explain,
    health,
    reservations,
    ssh_keys,
    vm_changes,
    vm_history,
    vms,
)
from orchestrator.api.body_limit import BodyLimit
from orchestrator.api.services import Services
from orchestrator.settings import Settings
from orchestrator.store.database import Database

RESOURCES = (vms, vm_changes, explain, vm_history, reservations, billing, ssh_keys, api_keys, catalog, health)


def create_app(settings: Settings, database: Database, *, threads: int = 10) -> FastAPI:
    """The API over `database`, whose pool has at least `threads` connections.

    Raises ConfigurationError when the settings cannot work.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = threads
        yield

    package = metadata("innkeeper")
    app = FastAPI(
        title=package["Name"].capitalize(),
        version=package["Version"],
        summary=package["Summary"],
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.services = Services.make(settings, database)
    app.add_middleware(BodyLimit)
    errors.install(app)
    for resource in RESOURCES:
        app.include_router(resource.router)
    return app
