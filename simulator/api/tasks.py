"""/nodes/{node}/tasks."""

from collections.abc import Callable
from typing import Any

from simulator.api.call import Call, Endpoint
from simulator.errors import bad_parameters
from simulator.http.answers import Page
from simulator.schema import formats
from simulator.schema.formats import split_tags
from simulator.schema.parameters import boolean, choice, integer, text
from simulator.tasks.task import Task
from simulator.tasks.upid import Upid, parse_upid

NO_LOG = "unable to open file - No such file or directory"
STATUS_FILTERS = ("ok", "warning", "error", "unknown")


def _upid(call: Call) -> Upid:
    upid = parse_upid(call.args["upid"])
    if upid is None:
        raise bad_parameters({"upid": "unable to parse worker upid"})
    return upid


def _may_see(call: Call, upid: Upid) -> bool:
    """A user sees the tasks of all its tokens, a token only its own."""
    owner = upid.user.split("!")[0] if call.who.token is None else upid.user
    return owner == call.who.name


def _check_owner(call: Call, upid: Upid, privilege: str) -> None:
    if not _may_see(call, upid):
        call.rights.require(f"/nodes/{call.node.name}", privilege)


def _known_task(call: Call, upid: Upid) -> Task:
    task = call.world.tasks.find(call.node.name, str(upid))
    if task is None:
        raise bad_parameters({"upid": "no such task"})
    return task


def _owner_fields(upid: Upid) -> dict[str, Any]:
    user, _, token = upid.user.partition("!")
    return {"user": user, **({"tokenid": token} if token else {})}


def _status(call: Call) -> dict[str, Any]:
    upid = _upid(call)
    _check_owner(call, upid, "Sys.Audit")
    task = _known_task(call, upid)
    answer = {**_identity(upid), "status": "running" if task.is_running else "stopped"}
    if not task.is_running:
        answer["exitstatus"] = task.exitstatus
    return answer


def _identity(upid: Upid) -> dict[str, Any]:
    return {
        "upid": str(upid),
        "node": upid.node,
        "pid": upid.pid,
        "pstart": upid.pstart,
        "starttime": upid.starttime,
        "type": upid.type,
        "id": upid.id,
        **_owner_fields(upid),
    }


def _log(call: Call) -> Page:
    upid = _upid(call)
    _check_owner(call, upid, "Sys.Audit")
    task = call.world.tasks.find(call.node.name, str(upid))
    lines = task.log if task else [NO_LOG]
    start, limit = call.args.get("start", 0), call.args.get("limit", 50)
    end = start + limit if limit else None
    shown = [{"n": number + 1, "t": line} for number, line in enumerate(lines)][start:end]
    return Page(shown, len(lines))


def _index(call: Call) -> list[dict[str, str]]:
    _upid(call)
    return [{"name": "log"}, {"name": "status"}]


async def _stop(call: Call) -> None:
    upid = _upid(call)
    _check_owner(call, upid, "Sys.Modify")
    _known_task(call, upid)
    await call.world.tasks.stop(str(upid))


def visible_tasks(call: Call, node: str, *, running_as_status: bool) -> list[dict[str, Any]]:
    """A node's tasks that the caller may see, newest first."""
    everything = call.rights.has(f"/nodes/{node}", "Sys.Audit")
    return [
        _line(task, running_as_status)
        for task in call.world.tasks.of_node(node)
        if everything or _may_see(call, task.upid)
    ]


def _line(task: Task, running_as_status: bool) -> dict[str, Any]:
    line = _identity(task.upid)
    if task.is_running:
        # The list of running tasks keeps the token in the user's name.
        line["user"] = task.upid.user
        line.pop("tokenid", None)
        line["saved"] = "0"
        return line | ({"status": "RUNNING"} if running_as_status else {})
    return {**line, "status": task.exitstatus, "endtime": task.endtime}


def _list(call: Call) -> Page:
    args = call.args
    source = args.get("source", "archive")
    lines = visible_tasks(call, call.node.name, running_as_status=True)
    lines = [
        line for line in lines if source == "all" or (source == "active") == (line["status"] == "RUNNING")
    ]
    for wanted in _filters(args):
        lines = [line for line in lines if wanted(line)]
    start, limit = args.get("start", 0), args.get("limit", 50)
    page = lines[start : start + limit] if limit else lines[start:]
    return Page(page, len(lines) if lines or source == "archive" else None)


def _filters(args: dict[str, Any]) -> list[Callable[[dict[str, Any]], bool]]:
    filters: list[Callable[[dict[str, Any]], bool]] = []
    if "vmid" in args:
        filters.append(lambda line: line["id"] == str(args["vmid"]))
    if "typefilter" in args:
        filters.append(lambda line: line["type"] == args["typefilter"])
    if "userfilter" in args:
        filters.append(lambda line: args["userfilter"] in line["user"])
    if "since" in args:
        filters.append(lambda line: line["starttime"] >= args["since"])
    if "until" in args:
        filters.append(lambda line: line["starttime"] <= args["until"])
    if args.get("errors"):
        filters.append(lambda line: _outcome(line) != "ok")
    if "statusfilter" in args:
        wanted = set(split_tags(args["statusfilter"]))
        filters.append(lambda line: _outcome(line) in wanted)
    return filters


def _outcome(line: dict[str, Any]) -> str:
    status = line["status"]
    if status == "OK":
        return "ok"
    if status.startswith("WARNINGS"):
        return "warning"
    return "unknown" if status == "unexpected status" else "error"


def _status_filter(value: str) -> None:
    for part in split_tags(value):
        if part not in STATUS_FILTERS:
            raise ValueError(f"value '{part}' is not a valid task status type\n")


_TASK = "/nodes/{node}/tasks/{upid}"

ENDPOINTS = (
    Endpoint(
        "GET",
        "/nodes/{node}/tasks",
        _list,
        {
            "source": choice("archive", "active", "all"),
            "vmid": integer(100, 999_999_999, formats.vmid),
            "typefilter": text(),
            "userfilter": text(),
            "statusfilter": text(_status_filter),
            "errors": boolean(),
            "since": integer(),
            "until": integer(),
            "start": integer(0),
            "limit": integer(0),
        },
    ),
    Endpoint("GET", _TASK, _index),
    Endpoint("GET", f"{_TASK}/status", _status),
    Endpoint("GET", f"{_TASK}/log", _log, {"start": integer(0), "limit": integer(0), "download": boolean()}),
    Endpoint("DELETE", _TASK, _stop),
)
