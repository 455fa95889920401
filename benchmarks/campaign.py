"""A campaign of provisionings under faults: every fault of the simulator strikes with a small probability.

Every VM must end running, or failed with nothing left behind; then it is destroyed and nothing of it may be
left. What only root can clear (a lock that a killed clone left) is cleared as the operator's message says.
Run with `make chaos`.
"""

import argparse
import logging
import re
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from rich.progress import Progress

from orchestrator.embedded import EmbeddedPostgres
from orchestrator.errors import InsufficientCapacity
from orchestrator.store import migrate
from orchestrator.store.database import Database
from simulator import Simulator, campaign, demo_config
from tests.workers.steps.bench import Bench, make_bench

THREADS = 6
ROUNDS = 400
"""Steps that one VM may take before it counts as stuck; each parked operation is rechecked at once."""
ROOTS_WORK = re.compile(r"`qm unlock (\d+)")


def live(bench: Bench, node: str, gpu_type: str) -> Counter[str]:
    """One VM from its request to its end, with what came of it."""
    try:
        vm_id = bench.vm(node=node, gpu_type=gpu_type)
    except InsufficientCapacity:
        return Counter(no_room=1)
    seen = Counter({follow(bench, vm_id): 1})
    if bench.row(vm_id).status == "failed":
        seen["left behind by a failed VM"] += len(left(bench, vm_id))
    bench.destroy(vm_id)
    if follow(bench, vm_id) != "destroyed":
        seen["not destroyed"] += 1
    if remains := left(bench, vm_id):
        seen["left behind in the end"] += len(remains)
        print(remains, *bench.told(vm_id), sep="\n    ")
    return +seen


def follow(bench: Bench, vm_id: UUID) -> str:
    """Run steps until nothing is under way; do root's work where a message asks for it."""
    for _ in range(ROUNDS):
        operation = bench.operation(vm_id)
        if operation is None:
            return bench.row(vm_id).status
        clear_locks(bench, [operation.last_error or ""])
        bench.step(vm_id)
        if (again := bench.operation(vm_id)) is not None and again.state == "parked":
            time.sleep(0.05)  # a node or a token comes back by itself after a while
    return "stuck"


def clear_locks(bench: Bench, texts: list[str]) -> None:
    """As root on the node: `qm unlock` and `qm destroy`, for the VMIDs that the texts name."""
    for vmid in {int(found) for text in texts for found in ROOTS_WORK.findall(text)}:
        vm = bench.simulator.vm(vmid)
        if vm is not None and vm.lock == "clone":
            bench.remove(vmid)


def left(bench: Bench, vm_id: UUID) -> list[str]:
    """What is left of a VM on either side, after root's work was done."""
    told = bench.told(vm_id)
    clear_locks(bench, told)
    leaked = {line.split("'")[1] for line in told if "remove a leftover by hand" in line and "'" in line}
    found = [f"{bench.claims(vm_id)} claims"] if bench.claims(vm_id) else []
    for vmid in bench.vmids(vm_id):
        vm = bench.simulator.vm(vmid)
        ours = vm is not None and str(vm_id) in vm.config.get("description", "")
        found += [thing for thing in bench.leftovers(vmid) if ours and thing not in leaked]
    return found


def main() -> int:
    """Run the campaign and print what came of it."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--vms", type=int, default=500)
    parser.add_argument("--probability", type=float, default=0.02)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    seen: Counter[str] = Counter()
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="innkeeper-chaos-") as directory,
        pytest.MonkeyPatch.context() as patch,
        Simulator(demo_config(nodes=3, time_scale=0.001, ram_gib=128)) as simulator,
    ):
        postgres = EmbeddedPostgres(Path(directory), fsync=False)
        postgres.start()
        database = Database(postgres.url, pool_size=THREADS * 3)
        migrate.upgrade(database.engine)
        bench = make_bench(simulator, database, patch)
        bench.see_everything()
        for fault in campaign(arguments.probability):
            simulator.faults.add(fault)
        places = [("vm01", "5090"), ("vm02", "4090"), ("vm03", "6000pro")]
        with ThreadPoolExecutor(THREADS) as pool, Progress() as progress:
            bar = progress.add_task("provisionings", total=arguments.vms)
            running = [pool.submit(live, bench, *places[n % 3]) for n in range(arguments.vms)]
            for one in running:
                seen += one.result()
                progress.advance(bar)
        hits = Counter(hit.fault.name for hit in simulator.faults.hits)
        bench.gateways.close()
        database.close()
        postgres.remove()
    print(f"{arguments.vms} provisionings in {time.monotonic() - began:.0f} s, {hits.total()} faults struck")
    for what, count in sorted(seen.items()):
        print(f"  {count:5}  {what}")
    wrong = {"stuck", "not destroyed", "left behind by a failed VM", "left behind in the end"} & set(seen)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
