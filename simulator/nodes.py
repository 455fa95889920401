"""Nodes that go down, come back or restart."""

import asyncio
from collections.abc import Callable

from simulator.clock import Clock
from simulator.guests.guest import Guests
from simulator.state.cluster import Cluster
from simulator.state.nodes import Node
from simulator.tasks.board import TaskBoard

REBOOT = 120
"""Simulated seconds that a node is away when it restarts."""


class Nodes:
    """Power and membership of the cluster's nodes."""

    def __init__(self, cluster: Cluster, tasks: TaskBoard, guests: Guests, clock: Clock) -> None:
        self._cluster = cluster
        self._tasks = tasks
        self._guests = guests
        self._clock = clock
        self._waiting: set[asyncio.Task[None]] = set()
        self.on_boot: Callable[[Node], None] = lambda _node: None

    def down(self, node: Node) -> None:
        """Power fails: tasks end without a last line, VMs are gone, reservations with /run."""
        node.online = False
        self._tasks.kill_node(node.name)
        for vm in self._cluster.vms_on(node.name):
            if vm.running:
                self._guests.power_off(vm.vmid)
                vm.running = None
        node.reservations.clear()
        self._vote()

    def up(self, node: Node) -> None:
        """The node has booted: its uptime is new, and cards that hung work again."""
        if node.online:
            return
        node.online = True
        node.booted_at = self._clock.now()
        for device in node.devices.values():
            device.dead = False
        self._vote()
        self.on_boot(node)

    def _vote(self) -> None:
        online = sum(node.online for node in self._cluster.nodes.values())
        self._cluster.quorate = online * 2 > len(self._cluster.nodes)

    def reboot(self, node: Node, *, away: float = REBOOT, stays_down: bool = False) -> None:
        """Down, and up again after so many simulated seconds."""
        self.down(node)
        if stays_down:
            return
        waiting = asyncio.create_task(self._return(node, away))
        self._waiting.add(waiting)
        waiting.add_done_callback(self._waiting.discard)

    async def _return(self, node: Node, away: float) -> None:
        await self._clock.sleep(away)
        self.up(node)
