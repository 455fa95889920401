"""Reserve: the GPUs and the address that the VM needs."""

from workers.outcomes import Done
from workers.work import Work


def reserve(work: Work) -> Done:
    """Claim what is missing. A VM that was admitted with its claims finds them here."""
    work.claim()
    return Done()
