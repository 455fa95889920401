"""One running guest: boots, brings up its agent and its SSH server, and goes down."""

import asyncio
import uuid
from collections.abc import Callable

from simulator.clock import Clock
from simulator.config import Timing
from simulator.faults.injector import Faults, Place
from simulator.guests import cloudinit, shell, ssh
from simulator.guests.addresses import is_loopback
from simulator.state.nodes import Node
from simulator.state.vms import Vm

LATE = 300
"""Simulated seconds that a late agent or SSH server is late, unless the fault says otherwise."""


class Guest:
    """What runs inside a VM that runs."""

    def __init__(
        self,
        vm: Vm,
        node: Node,
        clock: Clock,
        timing: Timing,
        faults: Faults,
        ssh_port: int,
        power_off: Callable[[Vm], None],
    ) -> None:
        self.vm = vm
        self.agent_up = False
        self.booted = False
        self.address_known = False
        self.finished: dict[int, shell.Result] = {}
        """Commands that the agent has run, by process id."""
        self._node = node
        self._clock = clock
        self._timing = timing
        self._faults = faults
        self._place = Place(node.name, vm.vmid)
        self._ssh_port = ssh_port
        self._power_off = power_off
        self._server: ssh.SshServer | None = None
        self._work: list[asyncio.Task[None]] = []

    def power_on(self, *, at_once: bool = False) -> None:
        """Begin to boot; `at_once` for a guest that ran before the simulator was restarted."""
        self._work = [
            asyncio.create_task(self._bring_up_agent(0 if at_once else self._timing.agent)),
            asyncio.create_task(self._bring_up_ssh(0 if at_once else self._timing.boot)),
        ]

    async def _bring_up_agent(self, delay: float) -> None:
        if self._faults.strikes("agent_never", self._place):
            return
        late = self._faults.strikes("agent_late", self._place)
        await self._clock.sleep(delay + ((late.seconds or LATE) if late else 0))
        self.agent_up = True
        if waiting := self._faults.strikes("address_late", self._place):
            await self._clock.sleep(waiting.seconds or 60)
        self.address_known = True

    async def _bring_up_ssh(self, delay: float) -> None:
        strikes = self._faults.strikes
        await self._clock.sleep(delay)
        cloudinit.boot(self.vm)
        self.booted = True
        if strikes("ssh_never", self._place):
            return
        if late := strikes("ssh_late", self._place):
            await self._clock.sleep(late.seconds or LATE)
        running = self.vm.running
        if running is None or running.address is None or not is_loopback(running.address):
            return
        self._server = await ssh.serve(
            self.vm.disk,
            running.address,
            self._ssh_port,
            self.session,
            locked=strikes("ssh_refuses_login", self._place) is not None,
            stranger=strikes("ssh_wrong_host", self._place) is not None,
        )

    def power_off(self) -> None:
        """Everything inside ends; the address stops answering."""
        for work in self._work:
            work.cancel()
        if self._server is not None:
            self._server.close()
            self._server = None
        self.agent_up = self.booted = self.address_known = False

    @property
    def listening(self) -> bool:
        """Does its SSH server accept connections?"""
        return self._server is not None

    def reset(self) -> None:
        """Boot again within the same QEMU process."""
        self.power_off()
        self.power_on()

    def session(self, user: str) -> shell.Session:
        """A place to run commands."""
        running = self.vm.running
        return shell.Session(
            self.vm,
            user,
            self.gpus(),
            int(self._clock.now() - running.since) if running else 0,
            lambda: self._power_off(self.vm),
        )

    def gpus(self) -> tuple[shell.Gpu, ...]:
        """The cards that were passed through, as the guest's driver sees them."""
        addresses = self.vm.running.devices if self.vm.running else []
        cards = [self._node.devices[address] for address in addresses]
        return tuple(
            shell.Gpu(
                card.product,
                f"GPU-{uuid.uuid5(uuid.NAMESPACE_OID, f'{self._node.name}/{card.address}')}",
                f"00000000:{number + 1:02X}:00.0",
            )
            for number, card in enumerate(card for card in cards if card.product)
        )


class Guests:
    """All running guests, by VMID."""

    def __init__(self, make: Callable[[Vm, Callable[[Vm], None]], Guest]) -> None:
        self._make = make
        self._guests: dict[int, Guest] = {}
        self.on_power_off: Callable[[Vm], None] = lambda _vm: None

    def power_on(self, vm: Vm, *, at_once: bool = False) -> None:
        """The VM's QEMU has started."""
        guest = self._guests[vm.vmid] = self._make(vm, self.on_power_off)
        guest.power_on(at_once=at_once)

    def power_off(self, vmid: int) -> None:
        """The VM's QEMU has ended."""
        guest = self._guests.pop(vmid, None)
        if guest is not None:
            guest.power_off()

    def of(self, vmid: int) -> Guest | None:
        """The guest of a running VM."""
        return self._guests.get(vmid)

    def shut_down(self) -> None:
        """All guests go off at once, with the simulator."""
        for vmid in list(self._guests):
            self.power_off(vmid)
