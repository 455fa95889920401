"""The simulator for use inside another program: a thread of its own, and a handle for tests."""

import asyncio
import copy
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from simulator.clock import Clock
from simulator.config import SimConfig
from simulator.faults.injector import Fault, Hit
from simulator.http.request_log import Request
from simulator.machines import foreign
from simulator.machines.stop import power_off
from simulator.server import Server
from simulator.state.nodes import Node
from simulator.state.vms import Vm
from simulator.tasks.task import Task

T = TypeVar("T")
START_TIMEOUT = 30
"""Wall seconds; a thousand nodes take a few."""


class FaultHandle:
    """Arms faults from any thread."""

    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator

    def add(self, fault: Fault) -> int:
        """Arm a fault; returns its number."""
        return self._simulator.call(lambda server: server.world.faults.add(fault))

    def remove(self, number: int) -> bool:
        """Disarm one."""
        return self._simulator.call(lambda server: server.world.faults.remove(number))

    def clear(self) -> None:
        """Disarm all."""
        self._simulator.call(lambda server: server.world.faults.clear())

    @property
    def hits(self) -> list[Hit]:
        """Every fault that struck, in order."""
        return self._simulator.call(lambda server: list(server.world.faults.hits))


class Simulator:
    """A simulated cluster. All methods may be called from any thread; what they return are copies."""

    def __init__(self, config: SimConfig, clock: Clock | None = None) -> None:
        self.config = config
        self._clock = clock
        self.faults = FaultHandle(self)
        self._server: Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._failure: BaseException | None = None
        self._token_secret = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Serve; returns when requests are answered."""
        ready = threading.Event()
        self._folder = tempfile.TemporaryDirectory(prefix="simulator-")
        self._thread = threading.Thread(target=self._serve, args=(ready,), name="simulator", daemon=True)
        self._thread.start()
        ready.wait(START_TIMEOUT)
        if self._failure is not None:
            self._folder.cleanup()
            raise self._failure
        Path(self.ca_path).write_text(self._running.certificates.authority)
        users = self._running.cluster.directory.users
        self._token_secret = users[self.config.user].tokens[self.config.token].secret

    def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.new_event_loop()
        try:
            server = Server(self.config, self._clock)
            self._loop.run_until_complete(server.start())
            self._server = server
        except BaseException as error:  # handed to the thread that waits in start()
            self._failure = error
            self._loop.close()
            ready.set()
            return
        ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(server.stop())
        self._loop.run_until_complete(asyncio.sleep(0))  # broken connections close in the next round
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def stop(self) -> None:
        """End it. Running VMs go away with their SSH servers."""
        if self._loop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._loop.stop)
        if self._thread is not None:
            self._thread.join(START_TIMEOUT)
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def _running(self) -> Server:
        if self._server is None:
            raise RuntimeError("the simulator has not been started")
        return self._server

    def call(self, action: Callable[[Server], T]) -> T:
        """Run something inside the simulator's thread and wait for its result."""
        server = self._running

        async def run() -> T:
            return action(server)

        return self.run(run())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the simulator's event loop and wait for its result."""
        if self._loop is None:
            raise RuntimeError("the simulator has not been started")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_TIMEOUT)

    def cpu_seconds(self) -> float:
        """Processor time that the simulator's thread has used."""
        return self.call(lambda _server: time.thread_time())

    # Where it is served, and what opens it

    @property
    def host(self) -> str:
        return self.config.host

    @property
    def port(self) -> int:
        return self._running.port

    @property
    def url(self) -> str:
        """Without a path: `https://127.0.0.1:8006`."""
        return f"{'https' if self.config.tls else 'http'}://{self.host}:{self.port}"

    @property
    def ca_path(self) -> str:
        """A PEM file to verify the server against; beside the state file, if there is one."""
        if self.config.state_file:
            return f"{self.config.state_file}.ca.pem"
        if self._folder is None:
            raise RuntimeError("the simulator has not been started")
        return str(Path(self._folder.name) / "ca.pem")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the server's certificate."""
        return self._running.certificates.fingerprint

    @property
    def token_id(self) -> str:
        return f"{self.config.user}!{self.config.token}"

    @property
    def token_secret(self) -> str:
        return self._token_secret

    @property
    def root_password(self) -> str:
        return self._running.cluster.directory.users["root@pam"].password

    @property
    def ssh_port(self) -> int:
        """The port of every guest's SSH server."""
        return self._running.ssh_port

    # What is in it

    def vms(self) -> dict[int, Vm]:
        """All VMs by VMID, templates too."""
        return self.call(lambda server: copy.deepcopy(server.cluster.vms))

    def vm(self, vmid: int) -> Vm | None:
        """One VM."""
        return self.call(lambda server: copy.deepcopy(server.cluster.vms.get(vmid)))

    def node(self, name: str) -> Node:
        """One node with its devices and reservations."""
        return self.call(lambda server: copy.deepcopy(server.cluster.nodes[name]))

    def volumes(self, node: str) -> dict[str, int]:
        """Volume ids and their VMIDs, as a node sees them."""
        return self.call(
            lambda server: {
                volume.volid: volume.vmid
                for (_, place), store in server.cluster.stores.items()
                if place in ("", node)
                for volume in store.volumes.values()
            }
        )

    def tasks(self) -> list[Task]:
        """All tasks that are remembered."""
        return self.call(lambda server: copy.deepcopy(list(server.world.tasks.all())))

    @property
    def requests(self) -> list[Request]:
        """The latest requests, oldest first, with secrets hidden."""
        return self.call(lambda server: server.log.all())

    # What can happen to it

    def make_foreign_vm(self, node: str, vmid: int, **settings: Any) -> None:
        """A VM that somebody else made. Settings: `name`, `description`, `memory_mib`, `running`, `gpus`."""
        self.call(lambda server: foreign.make(server.world, node, vmid, **settings))

    def kill_vm(self, vmid: int) -> None:
        """QEMU dies."""
        self.call(lambda server: power_off(server.world, server.cluster.vms[vmid]))

    def guest_poweroff(self, vmid: int) -> None:
        """The guest shuts itself down."""
        self.kill_vm(vmid)

    def move_vm(self, vmid: int, node: str) -> None:
        """The VM's configuration is moved to another node."""
        self.call(lambda server: foreign.move(server.world, vmid, node))

    def lock_vm(self, vmid: int, lock: str | None) -> None:
        """Write a lock into a configuration, or take it out as `qm unlock` does."""
        self.call(lambda server: foreign.set_lock(server.world, vmid, lock))

    def kill_task(self, upid: str) -> bool:
        """SIGKILL to a task's worker; was it running?"""
        return self.call(lambda server: server.world.tasks.kill(upid))

    def forget_tasks(self, node: str) -> None:
        """A node loses the records of its finished tasks."""
        self.call(lambda server: server.world.tasks.forget_finished(node))

    def node_down(self, name: str) -> None:
        """A node loses power."""
        self.call(lambda server: server.world.nodes.down(server.cluster.nodes[name]))

    def node_up(self, name: str) -> None:
        """It is back."""
        self.call(lambda server: server.world.nodes.up(server.cluster.nodes[name]))

    def set_quorum(self, quorate: bool) -> None:
        """Take or give the cluster's majority."""
        self.call(lambda server: setattr(server.cluster, "quorate", quorate))

    def set_gpu(
        self, node: str, address: str, *, missing: bool | None = None, dead: bool | None = None
    ) -> None:
        """Change the state of all functions of a card: `0000:41:00`."""
        self.call(lambda server: foreign.set_gpu(server.world, node, address, missing, dead))

    def set_clock_skew(self, node: str, seconds: float) -> None:
        """Put a node's clock ahead."""
        self.call(lambda server: setattr(server.cluster.nodes[node], "clock_skew", seconds))
