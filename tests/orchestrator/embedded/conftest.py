import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

OWNER = Path(__file__).with_name("owner_process.py")


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A state directory that every user may enter, as a checkout in /srv would have one."""
    parent = Path(tempfile.mkdtemp(prefix="innkeeper-test-"))
    parent.chmod(0o755)
    yield parent / "state"
    shutil.rmtree(parent)


@pytest.fixture
def owner() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """Starts another process that owns both servers over a state directory, and waits until it serves."""
    started: list[subprocess.Popen[str]] = []

    def start(state_dir: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, OWNER, state_dir], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout
        assert process.stdout.readline() == "serving\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


@pytest.fixture
def all_end() -> Callable[..., bool]:
    """Whether the processes with these ids all end within `timeout` seconds."""

    def all_end(*pids: int, timeout: float = 10.0) -> bool:
        deadline = time.monotonic() + timeout
        while any(map(_runs, pids)):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    return all_end


def _runs(pid: int) -> bool:
    # Not by signal 0: a dead orphan stays a zombie where process 1 does not read its end (many containers).
    return _ps("-o", "stat=", "-p", str(pid)).strip()[:1] not in ("", "Z")


@pytest.fixture
def all_arguments() -> str:
    """The command lines of all processes, as every user of the machine sees them."""
    return _ps("-eww", "-o", "args")


def _ps(*options: str) -> str:
    if not shutil.which("ps"):
        pytest.skip("this machine has no `ps`")
    return subprocess.run(["ps", *options], capture_output=True, text=True, check=False).stdout
