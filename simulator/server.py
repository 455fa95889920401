"""The simulator as one asyncio program: the API, the guests, and what happens in the background."""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from simulator.access.login import Logins
from simulator.broadcast import Broadcast
from simulator.clock import Clock
from simulator.config import SimConfig
from simulator.control.interface import PREFIX as CONTROL
from simulator.control.interface import Control
from simulator.control.overview import overview
from simulator.control.page import page
from simulator.faults.injector import Faults
from simulator.guests.addresses import AddressPlan
from simulator.guests.guest import Guest, Guests
from simulator.http.request_log import RequestLog
from simulator.http.service import PREFIX as API
from simulator.http.service import Service
from simulator.http.tls import Certificates, new_certificates
from simulator.locks import FileLocks
from simulator.machines.start import start_at_boot
from simulator.machines.stop import power_off
from simulator.nodes import Nodes
from simulator.state import file
from simulator.state.seed import new_cluster
from simulator.tasks.board import TaskBoard
from simulator.world import World

IDLE = 5
"""Wall seconds until an idle connection is closed, as by pveproxy; not scaled, clients live in real time."""
GOODBYE = 0.02
GOODBYES = 20
"""Wall seconds for a farewell, and how many of them the slowest connection gets."""
SSH = 22
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Server:
    """Build it, `start` it inside an event loop, and `stop` it."""

    def __init__(self, config: SimConfig, clock: Clock | None = None) -> None:
        self.config = config
        self.clock = clock or Clock(config.time_scale)
        self.rng = random.Random(config.seed)  # noqa: S311 - repeatable on purpose
        kept = file.load(Path(config.state_file), config) if config.state_file else None
        self.cluster, kept_tasks = kept or (new_cluster(config, self.clock.now(), self.rng), [])
        self._reseed()
        self.certificates = self._certificates()
        lessor = AddressPlan(config.guest_network).lessor
        self.ssh_port, self._port_holder = _hold_ssh_port(lessor, config.ssh_port)
        self.log = RequestLog()
        self.port = 0
        self.world = self._build_world()
        for task in kept_tasks:
            self.world.tasks.keep(task)
        self._state_file: file.StateFile | None = None
        self._runner: web.ServerRunner | None = None
        self._listener: asyncio.Server | None = None
        self._background: list[asyncio.Task[None]] = []

    def _reseed(self) -> None:
        """After a restart the same seed must not give the same ids once more."""
        starts = int(self.cluster.identity.get("starts", "0")) + 1
        self.cluster.identity["starts"] = str(starts)
        self.rng.seed(f"{self.config.seed}/{starts}")

    def _certificates(self) -> Certificates:
        identity = self.cluster.identity
        if "key" not in identity:
            made = new_certificates(self.config.host)
            identity |= {"authority": made.authority, "server": made.server, "key": made.key}
        certificates = Certificates(identity["authority"], identity["server"], identity["key"])
        identity["fingerprint"] = certificates.fingerprint
        return certificates

    def _build_world(self) -> World:
        clock, cluster, timing = self.clock, self.cluster, self.config.timing
        faults = Faults(random.Random(self.config.seed + 1))  # noqa: S311 - repeatable on purpose
        tasks = TaskBoard(clock, timing.fork, self.changed)
        guests = Guests(
            lambda vm, off: Guest(vm, cluster.nodes[vm.node], clock, timing, faults, self.ssh_port, off)
        )
        login_secret = cluster.identity.setdefault("login", str(self.rng.getrandbits(256)))
        world = World(
            cluster=cluster,
            clock=clock,
            timing=timing,
            rng=self.rng,
            locks=FileLocks(clock),
            tasks=tasks,
            faults=faults,
            guests=guests,
            addresses=AddressPlan(self.config.guest_network),
            logins=Logins(cluster.directory, login_secret, clock),
            broadcast=Broadcast(cluster, clock, timing.broadcast),
            nodes=Nodes(cluster, tasks, guests, clock),
        )
        guests.on_power_off = lambda vm: power_off(world, vm)
        world.nodes.on_boot = lambda node: start_at_boot(world, node)
        return world

    def changed(self) -> None:
        """Something happened that the state file has to keep."""
        if self._state_file is not None:
            self._state_file.changed()

    async def start(self) -> None:
        """Listen, and bring up the guests that were running."""
        http = web.Server(self._handler(), keepalive_timeout=IDLE, access_log=None)
        self._runner = web.ServerRunner(http, shutdown_timeout=GOODBYE)
        await self._runner.setup()
        self._listener = await asyncio.get_running_loop().create_server(
            http,
            self.config.host,
            self.config.port,
            ssl=self.certificates.context() if self.config.tls else None,
            ssl_shutdown_timeout=GOODBYE if self.config.tls else None,
            backlog=1024,
        )
        self.port = int(self._listener.sockets[0].getsockname()[1])
        for vm in self.cluster.vms.values():
            if vm.running:
                self.world.guests.power_on(vm, at_once=True)
        self.world.broadcast.refresh()
        self._background = [asyncio.create_task(self.world.broadcast.run())]
        if self.config.state_file:
            kept = file.StateFile(Path(self.config.state_file), self.cluster, self.world.tasks.all)
            kept.save()
            self._background.append(asyncio.create_task(kept.run()))
            self._state_file = kept

    def _handler(self) -> Handler:
        service = Service(self.world, self.log, self.changed)
        control = Control(self.world, self.log, self.changed)
        latency = self.config.latency_ms / 1000

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            if request.path.startswith(API):
                return await service.handle(request, latency)
            if request.path.startswith(CONTROL):
                return await control.handle(request)
            if request.path == "/":
                return web.Response(text=page(overview(self.world)), content_type="text/html")
            return web.Response(status=404, text="The API is at /api2/json, the page at /\n")

        return handle

    def freeze_broadcast(self) -> None:
        """Let the cluster's statistics change only when they are refreshed by hand."""
        self._background[0].cancel()

    async def stop(self) -> None:
        """Close everything."""
        for work in self._background:
            work.cancel()
        if self._state_file is not None:
            self._state_file.save()
        await self.world.tasks.shut_down()
        self.world.guests.shut_down()
        if self._listener is not None:
            self._listener.close()
        if self._runner is not None:
            await self._close_connections(self._runner)
        self._port_holder.close()

    @staticmethod
    async def _close_connections(runner: web.ServerRunner) -> None:
        """Drop clients that keep a connection; those that are just closing get a moment."""
        await runner.cleanup()
        connections = runner.server.connections if runner.server else []
        for _ in range(GOODBYES):
            for connection in connections:
                if connection.transport is not None:
                    connection.transport.abort()
            await asyncio.sleep(GOODBYE)
            connections = runner.server.connections if runner.server else []
            if not connections:
                return


def _hold_ssh_port(address: str, wanted: int) -> tuple[int, socket.socket]:
    """A port for all guests: the one that is wanted, else 22 where it may be bound, else a free one.

    The returned socket keeps the choice for this simulator: two of them on one machine have guests with the
    same addresses, and must not share a port.
    """
    holder = socket.socket()
    for port in (wanted,) if wanted else (SSH, 0):
        try:
            holder.bind((address, port))
        except OSError:
            continue
        return int(holder.getsockname()[1]), holder
    holder.close()
    if wanted:
        raise OSError(f"the guests' SSH port {wanted} is in use at {address}: is another simulator running?")
    raise OSError(f"no port can be bound at {address}")
