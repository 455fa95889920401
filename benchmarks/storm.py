"""A storm of random life-cycle requests by many users on a whole installation with two schedulers.

A watcher compares the database with the hypervisor all the time: no GPU in two hands, none handed on while
its VM still runs, nothing done twice, nothing of somebody else's touched. In the end every VM is where its
last accepted request wanted it. Run with `make storm`.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from rich.progress import Progress

from benchmarks.storm_watch import Watcher
from orchestrator.accounts import api_keys, ssh_keys, users
from orchestrator.embedded import Child, Supervisor
from tests.e2e.stack import FAST, Stack
from tests.seed import PUBLIC_KEY

SETTINGS = {
    **FAST,
    "INNKEEPER_INTERRUPTION_NOTICE_SECONDS": "2",
    "INNKEEPER_COOL_DOWN_SECONDS": "2",
    "INNKEEPER_COOL_DOWN_CAP_SECONDS": "5",
    "INNKEEPER_LONGEST_WAIT_SECONDS": "5",
}
SHAPES = (1, 1, 1, 1, 2, 2, 4, 8)
RENTALS = ("on_demand", "on_demand", "interruptible", "interruptible", "interruptible", "reserved")
CHANGES = ("start", "stop", "restart", "delete", "delete", "stop", "start", "label")
WANTED = {
    "create": "running",
    "start": "running",
    "restart": "running",
    "stop": "stopped",
    "delete": "destroyed",
}
SETTLE_SECONDS = 180
GPUS = 12
PAUSE_SECONDS = 2.5


@dataclass
class Guest:
    """A user, what was asked and what was accepted last for each VM."""

    number: int
    http: httpx.Client
    random: random.Random
    wanted: dict[str, str] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)

    def act(self) -> None:
        """One random request."""
        living = [vm for vm, wanted in self.wanted.items() if wanted != "destroyed"]
        if not living or (len(living) < 4 and self.random.random() < 0.45):
            self._create()
        else:
            self._change(self.random.choice(living), self.random.choice(CHANGES))

    def _create(self) -> None:
        rental = self.random.choice(RENTALS)
        body: dict[str, Any] = {
            "node": f"vm0{self.random.randint(1, 3)}",
            "gpu_type": "",
            "gpu_count": self.random.choice(SHAPES),
            "storage_gb": 50,
            "template_vmid": 100,
            "rental_type": rental,
        }
        body["gpu_type"] = TYPES[body["node"]]
        if rental == "reserved":
            body["reservation_months"] = 1
        answer = self.http.post("/vms", json=body, headers={"Idempotency-Key": str(self.random.random())})
        if self._count("create", answer):
            self.wanted[answer.json()["id"]] = "running"

    def _change(self, vm: str, what: str) -> None:
        if what == "delete":
            answer = self.http.delete(f"/vms/{vm}")
        elif what == "label":
            answer = self.http.patch(f"/vms/{vm}", json={"instance_label": f"n{self.random.randint(0, 9)}"})
        else:
            answer = self.http.post(f"/vms/{vm}/{what}")
        if self._count(what, answer) and what in WANTED:
            self.wanted[vm] = WANTED[what]

    def _count(self, what: str, answer: httpx.Response) -> bool:
        self.answers[f"{what} {answer.status_code}"] += 1
        if answer.status_code >= 500 or answer.status_code not in (200, 201, 204, 409):
            self.answers[f"UNEXPECTED {what} {answer.status_code} {answer.text[:200]}"] += 1
        return answer.is_success


TYPES: dict[str, str] = {}


class Storm:
    """The installation, its guests, a second scheduler."""

    def __init__(self, state_dir: Path, *, seed: int, guests: int) -> None:
        self.stack = Stack(state_dir, gpus=GPUS, settings=SETTINGS)
        self._seed = seed
        self._count = guests
        self._second: Supervisor | None = None

    def __enter__(self) -> "Storm":
        self.stack.start()
        installation = self.stack.installation
        second = installation.state_dir / "second"
        second.mkdir()
        child = Child(
            "scheduler-2",
            [sys.executable, "-m", "orchestrator.cli", "scheduler", "--state-dir", second],
            installation.environment,
        )
        self._second = Supervisor(installation.state_dir, [child], on_death=lambda _: None)
        self._second.start()
        for node in self.stack.simulated.facts["catalog"]["nodes"]:
            TYPES[node["name"]] = node["gpus"][0]["model"]
        self.guests = [self._guest(number) for number in range(self._count)]
        return self

    def __exit__(self, *_: object) -> None:
        if self._second is not None:
            self._second.stop()
        for guest in self.guests:
            guest.http.close()
        self.stack.stop()

    def _guest(self, number: int) -> Guest:
        with self.stack.database.transaction() as tx:
            user = users.add(tx, f"guest{number}@example.org", max_vms=50, max_hourly_spend=Decimal(10_000))
            ssh_keys.add(tx, user.id, PUBLIC_KEY)
            key = api_keys.create(tx, user.id, scopes=["read_write"]).text
        http = httpx.Client(
            base_url=self.stack.installation.access.url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
        )
        return Guest(number, http, random.Random(f"{self._seed}:{number}"))

    def rage(self, requests: int, told: Callable[[], None]) -> None:
        """All requests, each guest one after the other, the guests side by side."""
        share = requests // len(self.guests)

        def live(guest: Guest) -> None:
            for _ in range(share):
                guest.act()
                told()
                time.sleep(guest.random.expovariate(1 / PAUSE_SECONDS))

        with ThreadPoolExecutor(len(self.guests)) as pool:
            list(pool.map(live, self.guests))

    def settle(self) -> list[str]:
        """Wait until nothing is under way that could end; VMs that are not where they were wanted."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (wrong := self._not_as_wanted()) and time.monotonic() < deadline:
            self.stack.installation.check()
            time.sleep(0.5)
        return wrong

    def time_line(self, vm: str) -> list[str]:
        """What happened to a VM, whoever's it is."""
        rows = self.stack.query(f"SELECT at::time, text FROM events WHERE vm_id = '{vm}' ORDER BY id")
        return [f"    {at} {text}" for at, text in rows]

    def _not_as_wanted(self) -> list[str]:
        status = {
            str(vm): (now, rental)
            for vm, now, rental in self.stack.query("SELECT id, status, rental_type FROM vms")
        }
        wrong = []
        for guest in self.guests:
            for vm, wanted in guest.wanted.items():
                now, rental = status[vm]
                displaced = rental == "interruptible" and (now, wanted) == ("interrupted", "running")
                if now != wanted and not displaced:
                    wrong.append(f"VM {vm} ({rental}) is {now}, not {wanted}")
        return wrong


def fate(storm: Storm, stop: threading.Event, rng: random.Random) -> None:
    """Kill a process or wipe Redis now and then."""
    while not stop.wait(rng.uniform(4, 8)):
        what = rng.choice(("worker-vm01", "worker-vm02", "worker-vm03", "scheduler", "redis"))
        try:
            if what == "redis":
                storm.stack.wipe_broker()
            else:
                storm.stack.kill(what)
        except (KeyError, OSError):
            continue  # it is being started again just now


def run(*, requests: int, guests: int, seed: int, kill: bool) -> int:
    """The whole storm; 0 when every promise held."""
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="innkeeper-storm-", dir=Path("/dev/shm")) as directory,
        Progress() as progress,
    ):
        Path(directory).chmod(0o755)
        with Storm(Path(directory) / "installation", seed=seed, guests=guests) as storm:
            bar = progress.add_task("requests", total=requests)
            stop = threading.Event()
            helpers = [
                threading.Thread(target=fate, args=(storm, stop, random.Random(seed)), daemon=True)
            ] * kill
            with Watcher(storm.stack) as watcher:
                for helper in helpers:
                    helper.start()
                storm.rage(requests, lambda: progress.advance(bar))
                stop.set()
                wrong = storm.settle()
            answers = sum((guest.answers for guest in storm.guests), Counter())
            ends = Counter(status for (status,) in storm.stack.query("SELECT status FROM vms"))
            interruptions = Counter(
                state for (state,) in storm.stack.query("SELECT state FROM interruptions")
            )
            told = [line for vm in wrong[:3] for line in (vm, *storm.time_line(vm.split()[1]))]
    wrong += watcher.broken + [line for line in answers if line.startswith("UNEXPECTED")]
    print(f"seed {seed}: {requests} requests in {time.monotonic() - began:.0f} s; {watcher.looks} looks")
    for title, counts in (("answers", answers), ("VMs", ends), ("interruptions", interruptions)):
        print(f"  {title}: " + ", ".join(f"{what} {count}" for what, count in sorted(counts.items())))
    for line in (*wrong[:30], *told):
        print("  WRONG:", line)
    return 1 if wrong else 0


def main() -> int:
    """Read the arguments and let it rage."""
    parser = argparse.ArgumentParser(prog="make storm", description=__doc__)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--guests", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument(
        "--kill", action="store_true", help="kill workers and schedulers and wipe Redis meanwhile"
    )
    arguments = parser.parse_args()
    return run(**vars(arguments))


if __name__ == "__main__":
    sys.exit(main())
