"""The guest agent."""

from collections.abc import Callable
from typing import Any

from simulator.api.call import Call, Endpoint
from simulator.api.qemu.common import VM, any_vm_rule, vm_rule
from simulator.errors import BareError, PveError
from simulator.faults.injector import Place
from simulator.guests import agent
from simulator.guests.guest import Guest
from simulator.schema.parameters import array, boolean, choice, integer, need, text

BROKEN_PIPE = 5
"""Simulated seconds until the proxy notices that the daemon is gone."""
AUDIT = ("VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted")


async def _guest(call: Call, command: str) -> Guest:
    """The guest, once its agent is known to answer; PVE waits a while for a silent one."""
    vm = call.vm
    if vm.running is None:
        raise PveError(f"VM {vm.vmid} is not running")
    if not vm.agent_enabled:
        raise PveError("No QEMU guest agent configured")
    guest = call.world.guests.of(vm.vmid)
    if guest is None or not guest.agent_up:
        await call.world.clock.sleep(call.world.timing.agent_poll)
        raise PveError("QEMU guest agent is not running")
    place = Place(call.node.name, vm.vmid, call.origin.method, call.origin.path)
    if call.world.faults.strikes("agent_timeout", place):
        await call.world.clock.sleep(call.world.timing.agent_poll)
        raise PveError(f"VM {vm.vmid} qga command 'guest-{command}' failed - got timeout")
    return guest


def _query(command: str) -> Callable[[Call], Any]:
    """A command whose answer PVE hands through, errors included."""

    async def handle(call: Call) -> dict[str, Any]:
        guest = await _guest(call, command)
        place = Place(call.node.name, call.vmid, call.origin.method, call.origin.path)
        if call.world.faults.strikes("agent_error", place):
            return {"result": {"error": {"class": "GenericError", "desc": "the guest refuses"}}}
        return {"result": agent.QUERIES[command](guest, call.world, place)}

    return handle


async def _generic(call: Call) -> dict[str, Any]:
    command: str = call.args["command"]
    if command not in agent.QUERIES:
        raise PveError(f"Agent error: The command guest-{command} has been disabled for this instance")
    result: dict[str, Any] = await _query(command)(call)
    return result


async def _exec(call: Call) -> dict[str, int]:
    guest = await _guest(call, "exec")
    if not agent.can_execute(call.args["command"]):
        # The agent's message holds a character that kills pvedaemon's answer; the proxy sees only that.
        await call.world.clock.sleep(BROKEN_PIPE)
        raise BareError(596, "Broken pipe")
    return {"pid": agent.execute(guest, call.world, call.args["command"])}


async def _exec_status(call: Call) -> dict[str, Any]:
    guest = await _guest(call, "exec-status")
    result = guest.finished.get(call.args["pid"])
    if result is None:
        raise PveError("Agent error: Invalid parameter 'pid'")
    answer: dict[str, Any] = {"exited": 1, "exitcode": result.code}
    if result.out:
        answer["out-data"] = result.out
    if result.err:
        answer["err-data"] = result.err
    return answer


async def _read_file(call: Call) -> dict[str, Any]:
    guest = await _guest(call, "file-open")
    content = agent.read_file(guest, call.args["file"])
    return {"content": content, "bytes-read": len(content.encode())}


async def _write_file(call: Call) -> None:
    guest = await _guest(call, "file-open")
    guest.vm.disk.files[call.args["file"]] = call.args["content"]


async def _set_password(call: Call) -> dict[str, Any]:
    guest = await _guest(call, "set-user-password")
    agent.set_password(
        guest, call.args["username"], call.args["password"], crypted=call.args.get("crypted", False)
    )
    return {"result": {}}


def _index(_call: Call) -> list[dict[str, str]]:
    return [{"name": name} for name in sorted({*agent.QUERIES, *agent.OTHER_COMMANDS})]


_AGENT = f"{VM}/agent"
_UNRESTRICTED = vm_rule("VM.GuestAgent.Unrestricted")

ENDPOINTS = (
    Endpoint("GET", _AGENT, _index),
    Endpoint(
        "POST",
        _AGENT,
        _generic,
        {"command": need(choice(*agent.GENERIC_COMMANDS))},
        any_vm_rule("VM.GuestAgent.Unrestricted"),
    ),
    Endpoint("POST", f"{_AGENT}/ping", _query("ping"), {}, any_vm_rule(*AUDIT)),
    *(
        Endpoint("GET", f"{_AGENT}/{command}", _query(command), {}, any_vm_rule(*AUDIT))
        for command in agent.QUERIES
        if command != "ping"
    ),
    Endpoint(
        "POST",
        f"{_AGENT}/exec",
        _exec,
        {"command": need(array()), "input-data": text(max_length=65536)},
        _UNRESTRICTED,
    ),
    Endpoint("GET", f"{_AGENT}/exec-status", _exec_status, {"pid": need(integer())}, _UNRESTRICTED),
    Endpoint(
        "GET",
        f"{_AGENT}/file-read",
        _read_file,
        {"file": need(text()), "count": integer(1, 16777216), "decode": boolean(), "offset": integer(0)},
        any_vm_rule("VM.GuestAgent.FileRead", "VM.GuestAgent.Unrestricted"),
    ),
    Endpoint(
        "POST",
        f"{_AGENT}/file-write",
        _write_file,
        {"file": need(text()), "content": need(text(max_length=61440)), "encode": boolean()},
        any_vm_rule("VM.GuestAgent.FileWrite", "VM.GuestAgent.Unrestricted"),
    ),
    Endpoint(
        "POST",
        f"{_AGENT}/set-user-password",
        _set_password,
        {
            "username": need(text()),
            "password": need(text(min_length=5, max_length=1024)),
            "crypted": boolean(),
        },
        _UNRESTRICTED,
    ),
)
