"""A watcher that holds the promises against the database and the hypervisor, again and again."""

import threading
from typing import Any

import httpx
from sqlalchemy.exc import SQLAlchemyError

from tests.e2e.stack import Stack

CLAIMS = """
SELECT c.node_id, g.mapping, c.vm_id::text FROM claims c JOIN gpus g ON g.id = c.gpu_id
WHERE c.released_at IS NULL
"""
NEVER = {
    "runs without all of its GPUs": """
        SELECT v.id::text FROM vms v WHERE v.status = 'running' AND v.gpu_count <>
            (SELECT count(*) FROM claims c WHERE c.vm_id = v.id AND c.released_at IS NULL)""",
    "has ended but holds GPUs": """
        SELECT v.id::text FROM vms v JOIN claims c ON c.vm_id = v.id AND c.released_at IS NULL
        WHERE v.status IN ('destroyed', 'failed')""",
    "was cloned twice": """
        SELECT vm_id::text FROM events WHERE step = 'clone' AND text = 'clone done'
        GROUP BY vm_id HAVING count(*) > 1""",
    "is stopped and not reserved but holds GPUs": """
        SELECT v.id::text FROM vms v JOIN claims c ON c.vm_id = v.id AND c.released_at IS NULL
        WHERE v.status IN ('stopped', 'interrupted') AND v.rental_type <> 'reserved' AND NOT EXISTS
            (SELECT FROM operations o WHERE o.vm_id = v.id AND o.state IN ('open', 'parked'))""",
    "pays and was displaced": """
        SELECT v.id::text FROM vms v JOIN interruptions i ON i.vm_id = v.id
        WHERE i.cause = 'reclaim' AND v.rental_type <> 'interruptible'""",
    "pays for its GPUs while it does not run": """
        SELECT v.id::text FROM vms v JOIN usage_intervals u ON u.vm_id = v.id AND u.ended_at IS NULL
        WHERE u.resource = 'gpu' AND v.rental_type <> 'reserved' AND v.status <> 'running'""",
}
PAUSE_SECONDS = 0.1
FOREIGN_VMID = 777


class Watcher:
    """Looks until it is left; `broken` says what should never have been seen."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._addresses = {
            (node["name"], gpu["address"].rsplit(".", 1)[0]): gpu["mapping"]
            for node in stack.simulated.facts["catalog"]["nodes"]
            for gpu in node["gpus"]
        }
        self._seen: set[str] = set()
        self.looks = 0

    @property
    def broken(self) -> list[str]:
        """Each broken promise once."""
        return sorted(self._seen)

    def __enter__(self) -> "Watcher":
        self._stack.make_foreign_vm("vm01", FOREIGN_VMID)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._left_behind()

    def _watch(self) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            try:
                self._look()
            except (httpx.HTTPError, SQLAlchemyError):
                continue  # the simulator or the database is busy: the next look will do
            self.looks += 1

    def _look(self) -> None:
        before, state, after = self._claims(), self._stack.simulator_state(), self._claims()
        owners = dict(self._stack.query("SELECT vmid, vm_id::text FROM vmids"))
        for vm in state["vms"]:
            for address in vm["gpus"]:
                self._check_card(vm, address, owners, before, after)
        for what, sql in NEVER.items():
            self._seen |= {f"VM {vm_id} {what}" for (vm_id,) in self._stack.query(sql)}
        foreign = next((vm for vm in state["vms"] if vm["vmid"] == FOREIGN_VMID), None)
        if foreign is None or foreign["status"] != "running":
            self._seen.add("somebody else's VM was touched")

    def _claims(self) -> dict[tuple[str, str], str]:
        return {(node, mapping): vm for node, mapping, vm in self._stack.query(CLAIMS)}

    def _check_card(
        self,
        vm: dict[str, Any],
        address: str,
        owners: dict[int, str],
        before: dict[tuple[str, str], str],
        after: dict[tuple[str, str], str],
    ) -> None:
        """A card under a running VM is claimed by it; two looks at the claims, as they change meanwhile."""
        card = (vm["node"], self._addresses[vm["node"], address])
        claimed = {before.get(card), after.get(card)}
        if (owner := owners.get(vm["vmid"])) not in claimed:
            self._seen.add(f"{card} runs under VM {owner} but is claimed by {claimed}")

    def _left_behind(self) -> None:
        living = {
            vmid
            for (vmid,) in self._stack.query(
                "SELECT vmid FROM vms WHERE status NOT IN ('destroyed', 'failed')"
            )
        }
        issued = {vmid for (vmid,) in self._stack.query("SELECT vmid FROM vmids")}
        present = {vm["vmid"] for vm in self._stack.simulator_state()["vms"]} & issued
        self._seen |= {f"PVE's VM {vmid} was left behind" for vmid in present - living}
        self._seen |= {f"PVE's VM {vmid} is missing" for vmid in living - present}
