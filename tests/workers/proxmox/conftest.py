from collections.abc import Iterator

import pytest
from pve_stub import PveStub, access_to, serve

from workers.proxmox import CallLimits, Gateway


@pytest.fixture
def stub() -> Iterator[PveStub]:
    with serve() as server:
        yield server


@pytest.fixture
def gateway(stub: PveStub) -> Iterator[Gateway]:
    """A gateway to the stub, which waits 0.5 s for a read and 0.6 s for a change."""
    gateway = Gateway(access_to(stub.url), CallLimits(reads_seconds=0.5, changes_seconds=0.6))
    yield gateway
    gateway.close()
