"""Serving the API: one uvicorn process."""

import uvicorn

from orchestrator.api.app import create_app
from orchestrator.queue.app import make_app
from orchestrator.queue.chains import Bell
from orchestrator.settings import Settings
from orchestrator.store.database import Database

THREADS = 20
GRACE_SECONDS = 10


def serve(settings: Settings, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first.

    Raises ConfigurationError when the settings cannot work.
    """
    database = Database(settings.database, pool_size=THREADS)
    try:
        database.announce = Bell(make_app(settings)).ring
        app = create_app(settings, database, threads=THREADS)
        uvicorn.run(
            app,
            host=host,
            port=port,
            log_level=settings.log_level.lower(),
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    finally:
        database.close()
