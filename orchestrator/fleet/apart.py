"""One VM or card that cannot be dealt with must not keep the others from their turn."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from orchestrator.errors import InnkeeperError

log = logging.getLogger(__name__)


@contextmanager
def apart(what: str) -> Iterator[None]:
    """Log what goes wrong with `what` in the block, and go on after it; but not without a database."""
    try:
        yield
    except (IntegrityError, InnkeeperError) as error:
        log.error("%s is left as it is: %s", what, error)  # noqa: TRY400 (its place is known)
