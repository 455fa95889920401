"""One API call on its way through checks and handler."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.access.acl import privileges
from simulator.access.directory import Identity
from simulator.access.rules import EVERYONE, Rule
from simulator.errors import denied
from simulator.schema.parameters import Parameter
from simulator.state.nodes import Node
from simulator.state.vms import Vm
from simulator.tasks.board import Worker
from simulator.tasks.task import Origin
from simulator.world import World


class Rights:
    """What a caller may do, remembered for the time of one call."""

    def __init__(self, world: World, who: Identity) -> None:
        self._cluster = world.cluster
        self._who = who
        self._known: dict[tuple[str, str | None], Mapping[str, bool]] = {}
        self._joining: dict[str, str] = {}
        self._special = {entry.path for entry in self._cluster.directory.entries}

    def join(self, vmid: int, pool: str) -> None:
        """Judge a VM that is about to be made as a member of the pool that it will enter."""
        self._joining[str(vmid)] = pool

    def on(self, path: str) -> Mapping[str, bool]:
        """All privileges on a path, each with whether it propagates."""
        pool = None
        if path.startswith("/vms/"):
            number = path.removeprefix("/vms/")
            found = self._cluster.pool_of(int(number)) if number.isdigit() else None
            pool = found.name if found else self._joining.get(number)
            # Without entries of their own all VMs of a pool look alike.
            if path not in self._special:
                path = "/vms/*"
        key = path, pool
        if key not in self._known:
            self._known[key] = privileges(self._cluster.directory, self._who, path, pool)
        return self._known[key]

    def has(self, path: str, privilege: str) -> bool:
        """One privilege on one path."""
        return privilege in self.on(path)

    def any(self, path: str, *names: str) -> bool:
        """One of several privileges on one path."""
        owned = self.on(path)
        return any(name in owned for name in names)

    def require(self, path: str, *names: str, any_of: bool = False) -> None:
        """HTTP 403 unless they are there."""
        if any_of and not self.any(path, *names):
            raise denied(f"{path}, {'|'.join(names)}")
        for name in names if not any_of else ():
            if not self.has(path, name):
                raise denied(f"{path}, {name}")


@dataclass
class Call:
    """What a handler gets. `args` are the checked parameters, those of the path among them."""

    world: World
    who: Identity
    rights: Rights
    node: Node
    """The node in the path, or the one that answers."""
    args: dict[str, Any]
    written: dict[str, str]
    """The same as text, as they were sent."""
    origin: Origin

    @property
    def vmid(self) -> int:
        return int(self.args["vmid"])

    @property
    def vm(self) -> Vm:
        """The VM in the path; PVE's error when its configuration is not on this node."""
        return self.world.cluster.vm_on(self.node.name, self.vmid)

    def may_audit_node(self, node: str) -> bool:
        """May the caller see a node's numbers?"""
        return self.rights.has(f"/nodes/{node}", "Sys.Audit")

    def start_task(self, kind: str, subject: str | int, worker: Worker) -> str:
        """Fork a worker and answer with its UPID."""
        return self.world.tasks.start(self.node, kind, str(subject), self.who.name, worker, self.origin)


Handler = Callable[[Call], Any] | Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True)
class Endpoint:
    """One method of one path."""

    method: str
    path: str
    handler: Handler
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    rule: Rule = EVERYONE
    world_readable: bool = False
    """May it be called without credentials?"""
    no_token: bool = False
    """Is it closed to API tokens?"""
