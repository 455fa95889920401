"""Simulators for tests: time runs five hundred times faster than it should."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import paramiko
import pytest

from simulator import Simulator, demo_config
from tests.simulator.lab import Lab, client, root_client

FAST = 0.002

MakeLab = Callable[..., Lab]


@pytest.fixture
def make_lab() -> Iterator[MakeLab]:
    """Start simulators with settings of their own."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Lab:
            sim = stack.enter_context(
                Simulator(demo_config(**{"nodes": 2, "gpus_per_node": 4, "time_scale": FAST, **settings}))
            )
            return Lab(sim, client(sim))

        yield make


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    """Two nodes with four cards each, and the provisioner's token."""
    return make_lab()


@pytest.fixture
def root(lab: Lab) -> Any:
    """root@pam by ticket, on the same simulator."""
    return root_client(lab.sim)


@pytest.fixture(scope="session")
def key() -> paramiko.PKey:
    """A key pair."""
    return paramiko.ECDSAKey.generate()
