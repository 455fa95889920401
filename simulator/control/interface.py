"""/sim: the control interface. JSON in, JSON out, open to whoever has an API token."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from simulator.control.overview import overview
from simulator.errors import BareError
from simulator.faults.catalogue import CATALOGUE
from simulator.faults.injector import Fault
from simulator.http.request_log import RequestLog
from simulator.machines import foreign
from simulator.machines.stop import power_off
from simulator.state.nodes import Node
from simulator.state.vms import Vm
from simulator.world import World

PREFIX = "/sim"
Body = dict[str, Any]


class Control:
    """Answers requests below /sim."""

    def __init__(self, world: World, log: RequestLog, changed: Callable[[], None]) -> None:
        self._world = world
        self._log = log
        self._changed = changed
        self._routes: tuple[tuple[str, str, Callable[..., Any]], ...] = (
            ("GET", r"/state", lambda _body: overview(world)),
            ("GET", r"/requests", lambda _body: [asdict(request) for request in log.all()]),
            ("GET", r"/catalogue", lambda _body: {name: asdict(kind) for name, kind in CATALOGUE.items()}),
            ("GET", r"/faults", lambda _body: world.faults.armed()),
            ("POST", r"/faults", lambda body: {"number": world.faults.add(Fault(**body))}),
            ("DELETE", r"/faults", lambda _body: world.faults.clear()),
            ("DELETE", r"/faults/(\d+)", lambda _body, number: world.faults.remove(int(number))),
            ("GET", r"/hits", lambda _body: [asdict(hit) for hit in world.faults.hits]),
            ("POST", r"/quorum", self._set_quorum),
            ("POST", r"/nodes/([^/]+)/(down|up|reboot)", self._power_node),
            ("POST", r"/nodes/([^/]+)/clock", self._skew),
            ("POST", r"/nodes/([^/]+)/gpus/([0-9a-f:]+)", self._set_gpu),
            ("DELETE", r"/nodes/([^/]+)/tasks", lambda _body, node: world.tasks.forget_finished(node)),
            ("DELETE", r"/tasks/(UPID:.+)", lambda _body, upid: world.tasks.kill(upid)),
            ("POST", r"/vms", lambda body: foreign.make(world, **body)),
            ("POST", r"/vms/(\d+)/(kill|poweroff)", self._kill_vm),
            ("POST", r"/vms/(\d+)/move", self._move_vm),
            ("POST", r"/vms/(\d+)/lock", self._lock_vm),
        )

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        try:
            self._world.logins.identify("GET", request.headers.get("Authorization", ""), "", "")
        except BareError as error:
            return web.json_response({"error": error.reason}, status=401)
        path = request.path.removeprefix(PREFIX).rstrip("/")
        content = await request.read()
        try:
            body: Body = json.loads(content) if content else {}
            for method, pattern, action in self._routes:
                match = re.fullmatch(pattern, path)
                if match and method == request.method:
                    return self._do(action, body, match.groups(), request.method)
        except (ValueError, TypeError, LookupError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({"error": f"no {request.method} {request.path}"}, status=404)

    def _do(
        self, action: Callable[..., Any], body: Body, parts: tuple[str, ...], method: str
    ) -> web.Response:
        result = action(body, *parts)
        if method != "GET":
            self._changed()
        return web.json_response(result)

    def _node(self, name: str) -> Node:
        return self._world.cluster.nodes[name]

    def _vm(self, vmid: str) -> Vm:
        return self._world.cluster.vms[int(vmid)]

    def _set_quorum(self, body: Body) -> None:
        self._world.cluster.quorate = bool(body["quorate"])

    def _power_node(self, body: Body, name: str, what: str) -> None:
        node = self._node(name)
        if what == "up":
            self._world.nodes.up(node)
        elif what == "down":
            self._world.nodes.down(node)
        else:
            self._world.nodes.reboot(node, **body)

    def _skew(self, body: Body, name: str) -> None:
        self._node(name).clock_skew = float(body["seconds"])

    def _set_gpu(self, body: Body, name: str, slot: str) -> None:
        foreign.set_gpu(self._world, name, slot, body.get("missing"), body.get("dead"))

    def _kill_vm(self, _body: Body, vmid: str, _what: str) -> None:
        power_off(self._world, self._vm(vmid))

    def _move_vm(self, body: Body, vmid: str) -> None:
        foreign.move(self._world, int(vmid), body["node"])

    def _lock_vm(self, body: Body, vmid: str) -> None:
        foreign.set_lock(self._world, int(vmid), body["lock"])
