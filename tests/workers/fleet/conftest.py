"""The watch and the sweep against a simulated Proxmox VE."""

import pytest

from tests.workers.fleet.watched import Watched
from tests.workers.steps.bench import Bench
from tests.workers.steps.conftest import bench, simulator

__all__ = ["bench", "simulator", "watched"]


@pytest.fixture
def watched(bench: Bench) -> Watched:
    """A bench whose cluster is watched and swept, by a token that sees all VMs."""
    bench.see_everything()
    return Watched(bench)
