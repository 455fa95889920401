"""What tests of the fleet share."""

import pytest

from tests.orchestrator.fleet.watched import Fleet
from tests.seed import Seed


@pytest.fixture
def fleet(seed: Seed) -> Fleet:
    """A fleet of two nodes with eight GPUs each, and nothing on them."""
    return Fleet(seed)
