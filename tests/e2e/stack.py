"""A whole installation for tests: every part a real process, and a user's and an operator's hands on it."""

import json
import os
import signal
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from orchestrator.cli.client import Client
from orchestrator.cli.installation import Installation
from orchestrator.cli.simulated import Simulated
from orchestrator.store.database import Database

NOTICE_SECONDS = 3
FAST = {
    "INNKEEPER_PASSWORD_ROUNDS": "1000",
    "INNKEEPER_LEASE_SECONDS": "3",
    "INNKEEPER_HEARTBEAT_SECONDS": "0.5",
    "INNKEEPER_PVE_CHANGE_SECONDS": "2",
    "INNKEEPER_WAKE_SECONDS": "0.5",
    "INNKEEPER_WATCH_SECONDS": "1",
    "INNKEEPER_RING_AGAIN_SECONDS": "1",
    "INNKEEPER_NODE_RECHECK_SECONDS": "2",
    "INNKEEPER_INTERRUPTION_NOTICE_SECONDS": str(NOTICE_SECONDS),
    "INNKEEPER_HEADROOM": "0",
    "INNKEEPER_HEADROOM_MOST": "0",
    "INNKEEPER_CHANGES_PER_MINUTE": "100000",
    "INNKEEPER_READS_PER_MINUTE": "100000",
}
"""Times shorter than in real life, so that recovery takes seconds."""
TIME_SCALE = 0.02
GPUS = 16
PATIENCE_SECONDS = 60


class Stack:
    """Three simulated nodes, all processes, and handles."""

    def __init__(self, state_dir: Path, *, gpus: int = GPUS, settings: Mapping[str, str] = FAST) -> None:
        self.simulated = Simulated(nodes=3, gpus=gpus, time_scale=TIME_SCALE)
        self.installation = Installation(state_dir, simulated=self.simulated, environment=settings)
        self.password = "correct horse battery staple"

    def start(self) -> None:
        """Everything is up when this returns."""
        self.installation.start()
        access = self.installation.access
        self.client = Client(access.url, access.api_key)
        self.database = Database(self.installation.postgres.url)
        context = ssl.create_default_context(cafile=self.simulated.facts["ca_path"])
        token = f"PVEAPIToken={self.simulated.facts['token_id']}={self.simulated.facts['token_secret']}"
        self._control = httpx.Client(
            base_url=self.simulated.facts["control_url"], verify=context, headers={"Authorization": token}
        )

    def stop(self) -> None:
        """Nothing is left."""
        self.client.close()
        self.database.close()
        self._control.close()
        self.installation.remove()

    # --- as a user ---

    def ask(self, **changes: Any) -> httpx.Response:
        """POST /vms, whatever comes of it."""
        access = self.installation.access
        body = {"node": "vm01", "gpu_type": "5090", "gpu_count": 1, "storage_gb": 50, "template_vmid": 100}
        headers = {"Authorization": f"Bearer {access.api_key}"}
        return httpx.post(f"{access.url}/vms", json={**body, **changes}, headers=headers, timeout=30)

    def rent(self, **changes: Any) -> str:
        """A VM that was accepted."""
        answer = self.ask(**changes)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        vm_id: str = answer.json()["id"]
        return vm_id

    def vm(self, vm_id: str) -> dict[str, Any]:
        """The VM object."""
        found: dict[str, Any] = self.client.call("GET", f"/vms/{vm_id}")
        return found

    def told(self, vm_id: str) -> list[str]:
        """Its time line."""
        return [event["text"] for event in self.client.call("GET", f"/vms/{vm_id}/events")]

    def wait(self, vm_ids: Sequence[str], status: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Until all of them have that status."""
        self.until(
            lambda: all(self.vm(vm_id)["status"] == status for vm_id in vm_ids),
            lambda: "\n".join(f"{vm_id}: {self.vm(vm_id)['status']} {self.told(vm_id)}" for vm_id in vm_ids),
            seconds,
        )

    def delete(self, *vm_ids: str) -> None:
        """Destroy and wait until nothing is left of them."""
        for vm_id in vm_ids:
            self.client.call("DELETE", f"/vms/{vm_id}")
        self.wait(vm_ids, "destroyed")
        present = {vm["vmid"] for vm in self.simulator_state()["vms"]}
        assert not present & {self.vm(vm_id)["vmid"] for vm_id in vm_ids}

    def until(
        self,
        condition: Callable[[], bool],
        explain: Callable[[], str] = lambda: "",
        seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Wait for something, and look after the processes meanwhile."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not after {seconds} s\n{explain()}"
            self.installation.check()
            time.sleep(0.05)

    # --- as an operator, or as fate ---

    def query(self, sql: str) -> list[Any]:
        """Rows of the database."""
        with self.database.transaction() as tx:
            return list(tx.execute(text(sql)))

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """A signal to one of the processes."""
        os.kill(self.installation.parts.pids()[name], number)

    def fault(self, name: str, **where: Any) -> None:
        """Arm a fault of the simulator."""
        self._control.post("/faults", json={"name": name, **where}).raise_for_status()

    def no_faults(self) -> None:
        """Disarm all."""
        self._control.delete("/faults").raise_for_status()

    def make_foreign_vm(self, node: str, vmid: int) -> None:
        """Somebody else's VM, running."""
        self._control.post("/vms", json={"node": node, "vmid": vmid, "running": True}).raise_for_status()

    def simulator_state(self) -> dict[str, Any]:
        """What the simulator shows of itself."""
        state: dict[str, Any] = self._control.get("/state").raise_for_status().json()
        return state

    def simulator_requests(self) -> list[dict[str, Any]]:
        """What it was asked."""
        requests: list[dict[str, Any]] = self._control.get("/requests").raise_for_status().json()
        return requests

    def logs(self) -> str:
        """All logs of all processes."""
        folder = self.installation.state_dir / "logs"
        return "\n".join(path.read_text(errors="replace") for path in folder.iterdir())

    def flower(self, method: str, path: str, **options: Any) -> Any:
        """Flower's API, as its operator."""
        access = self.installation.access
        answer = httpx.request(
            method,
            f"{access.flower_url}{path}",
            auth=(access.flower_user, access.flower_password),
            timeout=10,
            **options,
        )
        answer.raise_for_status()
        return answer.json()

    def wipe_broker(self) -> None:
        """Redis loses everything."""
        self.installation.valkey.wipe()

    def everything_stored(self) -> str:
        """All rows of all tables, and all that PVE was asked."""
        tables = self.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [str(row) for (name,) in tables for row in self.query(f'SELECT t::text FROM "{name}" t')]
        return "\n".join([*rows, json.dumps(self.simulator_requests())])
