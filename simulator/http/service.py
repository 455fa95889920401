"""One request from its first byte to its answer: who, what, where, may it, is it well-formed, do it."""

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any

from aiohttp import web

from simulator.access.directory import Identity
from simulator.api.call import Call, Endpoint, Rights
from simulator.api.routes import PATH_PARAMETERS, Router
from simulator.errors import (
    ApiError,
    BareError,
    ConnectionDropped,
    PveError,
    bad_parameters,
    not_implemented,
)
from simulator.faults.effects import after_answer, before_request
from simulator.faults.injector import Place
from simulator.http import answers
from simulator.http.body import read_parameters
from simulator.http.request_log import RequestLog
from simulator.schema.parameters import check, written_value
from simulator.state.nodes import Node
from simulator.tasks.task import Origin
from simulator.world import World

logger = logging.getLogger(__name__)

PREFIX = "/api2/json"
METHODS = ("GET", "POST", "PUT", "DELETE")
DAEMON_WORKERS = 3
"""Calls that a node's pvedaemon handles at a time."""
PROXY_TIMEOUT = 30
"""Simulated seconds after which pveproxy gives up on a node that goes on working."""
NO_ADDRESS = (
    "hostname lookup '{0}' failed - failed to get address info for: {0}: Temporary failure in name resolution"
)


class Service:
    """The API daemon."""

    def __init__(self, world: World, log: RequestLog, changed: Callable[[], None]) -> None:
        self._world = world
        self._log = log
        self._changed = changed
        self._router = Router()
        self._daemons: dict[str, asyncio.Semaphore] = {}
        self._working: set[asyncio.Task[Any]] = set()

    async def handle(self, request: web.BaseRequest, latency: float) -> web.StreamResponse:
        """Answer a request below /api2/json."""
        if latency:
            await asyncio.sleep(latency)
        path = request.rel_url.raw_path.removeprefix(PREFIX)
        given: dict[str, Any] = {}
        try:
            response = await self._answer(request, path, given)
        except ConnectionDropped:
            self._note(request, path, 0, given)
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        self._note(request, path, response.status, given)
        if response.status >= 400:
            response.force_close()
        return response

    def _note(self, request: web.BaseRequest, path: str, status: int, given: dict[str, Any]) -> None:
        self._log.add(self._world.clock.now(), request.method, path, status, given)

    async def _answer(self, request: web.BaseRequest, path: str, given: dict[str, Any]) -> web.Response:
        try:
            result = await self._call(request, path, given)
        except BareError as error:
            if error.status == 401:
                await self._world.clock.sleep(self._world.timing.failed_login)
            return answers.bare(error)
        except ApiError as error:
            if error.status == 401:
                await self._world.clock.sleep(self._world.timing.failed_login)
            return answers.failure(error)
        except PveError as error:
            return answers.failure(ApiError(500, f"{error}\n"))
        except ConnectionDropped:
            raise
        except Exception as error:
            logger.exception("%s %s", request.method, path)
            return answers.failure(ApiError(500, f"simulator bug: {error!r}\n"))
        if isinstance(result, web.Response):
            return result
        return answers.success(result)

    async def _call(self, request: web.BaseRequest, path: str, given: dict[str, Any]) -> Any:
        method = request.method
        if method not in METHODS:
            raise BareError(501, f"method '{method}' not available")
        found = self._router.find(method, path)
        who = self._identify(request, found[0] if found else None)
        body = await request.read()
        given |= read_parameters(
            request.rel_url.raw_query_string, request.headers.get("Content-Type", ""), body
        )
        if found is None:
            raise not_implemented(method, path)
        endpoint, in_path = found
        place = Place(
            in_path.get("node"),
            int(in_path["vmid"]) if in_path.get("vmid", "").isdigit() else None,
            method,
            path,
        )
        await before_request(self._world, place)
        result = await self._run(endpoint, in_path, given, who, Origin(method, path))
        if method != "GET":
            self._changed()
        return await after_answer(self._world, place, result)

    def _identify(self, request: web.BaseRequest, endpoint: Endpoint | None) -> Identity:
        authorization = request.headers.get("Authorization", "")
        if endpoint is not None and endpoint.world_readable:
            if endpoint.no_token and authorization.startswith("PVEAPIToken"):
                raise ApiError(
                    403,
                    f"Permission check failed (URI '{endpoint.path}' not available with API token,"
                    " need proper ticket.\n",
                )
            return Identity("")
        return self._world.logins.identify(
            request.method,
            authorization,
            request.cookies.get("PVEAuthCookie", ""),
            request.headers.get("CSRFPreventionToken", ""),
        )

    async def _run(
        self,
        endpoint: Endpoint,
        in_path: dict[str, str],
        given: dict[str, Any],
        who: Identity,
        origin: Origin,
    ) -> Any:
        everything = {**given, **in_path}
        rights = Rights(self._world, who)
        endpoint.rule.check(rights.has, everything)
        node = self._node(in_path["node"]) if "node" in in_path else self._world.cluster.entry_node
        known = {**{name: PATH_PARAMETERS[name] for name in in_path}, **endpoint.parameters}
        args, problems = check(known, everything)
        if problems:
            raise bad_parameters(problems)
        written = {name: written_value(value) for name, value in everything.items()}
        call = Call(self._world, who, rights, node, args, written, origin)
        if "node" not in in_path:
            return await _handle(endpoint, call)
        return await self._on_node(node, endpoint, call)

    def _node(self, name: str) -> Node:
        nodes = self._world.cluster.nodes
        if name == "localhost":
            return self._world.cluster.entry_node
        node = nodes.get(name)
        if node is None:
            if name.lower() in nodes:
                raise BareError(595, "Connection refused")  # the name resolves, but no node is called so
            raise PveError(NO_ADDRESS.format(name))
        if not node.online:
            raise BareError(595, "No route to host")
        return node

    async def _on_node(self, node: Node, endpoint: Endpoint, call: Call) -> Any:
        """Forward to the node's daemon: few workers, and a limit to the proxy's patience."""
        daemon = self._daemons.setdefault(node.name, asyncio.Semaphore(DAEMON_WORKERS))

        async def work() -> Any:
            async with daemon:
                return await _handle(endpoint, call)

        working = asyncio.create_task(work())
        self._working.add(working)
        working.add_done_callback(self._working.discard)
        done, _ = await asyncio.wait([working], timeout=self._patience())
        if not done:
            raise BareError(596, "Connection timed out")
        return working.result()

    def _patience(self) -> float:
        # Never under a second of wall time: a busy test machine is not a slow node.
        return max(self._world.clock.timeout(PROXY_TIMEOUT), 1.0)


async def _handle(endpoint: Endpoint, call: Call) -> Any:
    result = endpoint.handler(call)
    return await result if inspect.isawaitable(result) else result
