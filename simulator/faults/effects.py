"""What faults do to requests and to the cluster."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from simulator.errors import ApiError, BareError, ConnectionDropped, bad_parameters, denied
from simulator.faults.catalogue import Moment
from simulator.faults.injector import Fault, Place
from simulator.machines.stop import power_off
from simulator.state.nodes import Node
from simulator.state.vms import Vm
from simulator.world import World

HANG = 60
SLOW = 6
SKEW = 3600
_HTML = "<!DOCTYPE html><html><body>502 Bad Gateway</body></html>"


async def before_request(world: World, place: Place) -> None:
    """Events that happen first, and answers that are given instead of any effect."""
    while event := world.faults.strikes(Moment.EVENT, place):
        EVENTS[event.name](world, event, place)
    fault = world.faults.strikes(Moment.REQUEST, place)
    if fault is None:
        return
    if fault.name == "hang":
        await world.clock.sleep(fault.seconds or HANG)
    raise _refusal(fault)


def _refusal(fault: Fault) -> Exception:
    detail = fault.detail
    refusals: dict[str, Exception] = {
        "unauthorized": BareError(401, detail or "Authentication failed!"),
        "forbidden": denied(detail),
        "bad_parameter": bad_parameters({"fault": detail or "value does not match the regex pattern"}),
        "server_error": ApiError(500, f"{detail or 'got no worker upid - start worker failed'}\n"),
        "unreachable": BareError(595, detail or "No route to host"),
        "proxy_timeout_before": BareError(596, detail or "Connection timed out"),
        "lost_response_before": ConnectionDropped(),
        "hang": ConnectionDropped(),
    }
    return refusals[fault.name]


async def after_answer(world: World, place: Place, result: Any) -> Any:
    """The effect is there; only the answer suffers."""
    fault = world.faults.strikes(Moment.ANSWER, place)
    if fault is None:
        return result
    if fault.name == "proxy_timeout_after":
        raise BareError(596, fault.detail or "Connection timed out")
    if fault.name == "lost_response_after":
        raise ConnectionDropped
    if fault.name == "slow_answer":
        await world.clock.sleep(fault.seconds or SLOW)
        return result
    return web.Response(text=_HTML, content_type="text/html")


def _node(world: World, fault: Fault, place: Place) -> Node:
    name = fault.node or place.node or world.cluster.entry_node.name
    return world.cluster.nodes[name]


def _vm(world: World, fault: Fault, place: Place) -> Vm | None:
    """The victim; a template is spared, for it would take all its later clones with it."""
    vm = world.cluster.vms.get(fault.vmid or place.vmid or 0)
    return None if vm is None or vm.is_template else vm


def _node_down(world: World, fault: Fault, place: Place) -> None:
    node = _node(world, fault, place)
    world.nodes.reboot(node, away=fault.seconds or 0, stays_down=fault.seconds is None)


def _node_reboot(world: World, fault: Fault, place: Place) -> None:
    world.nodes.reboot(_node(world, fault, place), away=fault.seconds or 120)


def _quorum_lost(world: World, fault: Fault, _place: Place) -> None:
    world.cluster.quorate = False
    if fault.seconds is not None:
        world.clock.later(fault.seconds, lambda: setattr(world.cluster, "quorate", True))


def _daemon_restart(world: World, fault: Fault, place: Place) -> None:
    for task in world.tasks.of_node(_node(world, fault, place).name):
        job = world.tasks.job(str(task.upid))
        if job is not None:
            job.interrupt()


def _qemu_killed(world: World, fault: Fault, place: Place) -> None:
    vm = _vm(world, fault, place)
    if vm and vm.running:
        power_off(world, vm)


def _vm_moved(world: World, fault: Fault, place: Place) -> None:
    vm = _vm(world, fault, place)
    if vm is None:
        return
    if vm.running:
        power_off(world, vm)
    others = [name for name in world.cluster.nodes if name != vm.node]
    vm.node = fault.detail or (others[0] if others else vm.node)


def _lock_stuck(world: World, fault: Fault, place: Place) -> None:
    if vm := _vm(world, fault, place):
        vm.config["lock"] = fault.detail or "clone"


def _clock_skew(world: World, fault: Fault, place: Place) -> None:
    _node(world, fault, place).clock_skew = fault.seconds or SKEW


def _tasks_forgotten(world: World, fault: Fault, place: Place) -> None:
    world.tasks.forget_finished(_node(world, fault, place).name)


def _token_revoked(world: World, fault: Fault, _place: Place) -> None:
    users = world.cluster.directory.users
    taken = {name: dict(user.tokens) for name, user in users.items() if name != "root@pam"}
    for name in taken:
        users[name].tokens.clear()

    def give_back() -> None:
        for name, tokens in taken.items():
            users[name].tokens.update(tokens)

    if fault.seconds is not None:
        world.clock.later(fault.seconds, give_back)


EVENTS: dict[str, Callable[[World, Fault, Place], None]] = {
    "node_down": _node_down,
    "node_reboot": _node_reboot,
    "quorum_lost": _quorum_lost,
    "daemon_restart": _daemon_restart,
    "qemu_killed": _qemu_killed,
    "guest_poweroff": _qemu_killed,
    "vm_moved": _vm_moved,
    "lock_stuck": _lock_stuck,
    "clock_skew": _clock_skew,
    "tasks_forgotten": _tasks_forgotten,
    "token_revoked": _token_revoked,
}
