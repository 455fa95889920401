"""One installation for all end-to-end tests; xdist keeps them together (`--dist loadgroup`)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of this folder share the installation, so they run in one process."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("installation"))


@pytest.fixture(scope="session")
def running_stack(server_dir: Path) -> Iterator[Stack]:
    """Started once: about 8 s."""
    stack = Stack(server_dir / "installation")
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture
def stack(running_stack: Stack) -> Iterator[Stack]:
    """The installation without VMs and without faults."""
    yield running_stack
    running_stack.no_faults()
    living = [vm["id"] for vm in running_stack.client.call("GET", "/vms", params={"limit": 200})]
    running_stack.delete(*living)
