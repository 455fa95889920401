import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.embedded import Child, Death, Supervisor, free_port
from orchestrator.errors import ConfigurationError


def shell(name: str, script: str, **env: str) -> Child:
    return Child(name, ["/bin/sh", "-c", script], env)


def supervisor(tmp_path: Path, *children: Child, grace: float = 5.0) -> tuple[Supervisor, list[Death]]:
    deaths: list[Death] = []
    return Supervisor(tmp_path, children, on_death=deaths.append, grace=grace), deaths


def test_output_goes_to_a_log_of_its_own_and_env_is_added(tmp_path: Path) -> None:
    running, _ = supervisor(
        tmp_path, shell("talker", "echo $GREETING; echo aside >&2; exec sleep 60", GREETING="hi")
    )
    log = tmp_path / "logs" / "talker.log"
    with running:
        running.wait_ready("talker", lambda: log.read_text() == "hi\naside\n", timeout=5)


def test_a_child_that_dies_is_announced_and_restarted_ever_later(tmp_path: Path) -> None:
    running, deaths = supervisor(tmp_path, shell("weak", "exit 3"), shell("strong", "exec sleep 60"))
    with running:
        strong = running.pids()["strong"]
        running.wait_ready("weak", lambda: len(deaths) == 2, timeout=10)
        assert running.pids() == {"strong": strong}
    assert deaths == [Death("weak", 3, 0.5), Death("weak", 3, 1.0)]


def test_a_killed_child_runs_again_and_its_leftovers_do_not(
    tmp_path: Path, all_end: Callable[..., bool]
) -> None:
    leftover = tmp_path / "leftover"
    running, deaths = supervisor(tmp_path, shell("parent", f"sleep 60 & echo $! > {leftover}; wait"))
    with running:
        running.wait_ready("parent", lambda: leftover.exists() and leftover.read_text() != "", timeout=5)
        first, grandchild = running.pids()["parent"], int(leftover.read_text())
        os.kill(first, signal.SIGKILL)
        running.wait_ready("parent", lambda: running.pids().get("parent", first) != first, timeout=5)
        assert deaths == [Death("parent", -signal.SIGKILL, 0.5)]
        assert all_end(grandchild)


def test_run_looks_after_them_until_the_event(tmp_path: Path) -> None:
    running, deaths = supervisor(tmp_path, shell("weak", "exit 3"))
    until = threading.Event()
    timer = threading.Timer(1.0, until.set)
    timer.start()
    with running:
        running.run(until)
    timer.join()
    assert deaths


def test_not_ready_in_time_shows_the_end_of_the_log(tmp_path: Path) -> None:
    running, _ = supervisor(tmp_path, shell("slow", "echo no database; exec sleep 60"))
    with (
        running,
        pytest.raises(ConfigurationError, match=r"slow was not ready after 0.3 s(.|\n)*no database"),
    ):
        running.wait_ready("slow", lambda: False, timeout=0.3)


def test_stop_is_polite_first_then_thorough(tmp_path: Path, all_end: Callable[..., bool]) -> None:
    ready = tmp_path / "ready"
    running, deaths = supervisor(
        tmp_path,
        shell("polite", "trap 'echo bye; exit 0' TERM; sleep 60 & wait"),
        shell("deaf", f"trap '' TERM; sleep 60 & echo $! > {ready}; wait; wait"),
        grace=0.5,
    )
    with running:
        running.wait_ready("deaf", lambda: ready.exists() and ready.read_text() != "", timeout=5)
        pids = [*running.pids().values(), int(ready.read_text())]
        assert len(pids) == 3
        began = time.monotonic()
    assert 0.4 < time.monotonic() - began < 20
    assert all_end(*pids)
    assert "bye" in (tmp_path / "logs" / "polite.log").read_text()
    assert deaths == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_children_die_with_a_killed_parent(tmp_path: Path, all_end: Callable[..., bool]) -> None:
    script = (
        "import sys, time; from pathlib import Path; from orchestrator.embedded import *\n"
        "s = Supervisor(Path(sys.argv[1]), [Child('c', ['/bin/sleep', '60'])], on_death=print); s.start()\n"
        "print(s.pids()['c'], flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert not all_end(child, timeout=0)
        parent.kill()
    assert all_end(child)


def test_free_ports_are_free() -> None:
    assert free_port() > 1023
