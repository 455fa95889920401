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
    """A gateway to the stub, which waits 1.5 s for a read and 1.6 s for a change."""
    gateway = Gateway(access_to(stub.url), CallLimits(reads_seconds=1.5, changes_seconds=1.6))
    yield gateway
    gateway.close()
