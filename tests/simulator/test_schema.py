"""Every endpoint against PVE's own API description, where that is at hand."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from simulator.access.rules import AllOf, OneOf, Privilege, Rule
from simulator.api.call import Endpoint
from simulator.api.routes import ENDPOINTS, PATH_PARAMETERS
from simulator.schema.parameters import Parameter
from simulator.schema.vm_options import OPTION_BY_NAME

SCHEMA = Path(__file__).parents[3] / "shared" / "pve" / "api-schema.json"

OUTSIDE = {
    "/cluster/backup-info/not-backed-up": "the description at hand leaves backups out",
    "/cluster/config/qdevice": "the description at hand leaves the cluster's configuration out",
    "/nodes/{node}/lxc": "the description at hand leaves containers out",
    "/nodes/{node}/replication": "the description at hand leaves replication out",
}
FEWER_PARAMETERS = {
    "/storage": "only what the modelled kinds of storage need",
    "/storage/{storage}": "only what the modelled kinds of storage need",
}
OTHER_RIGHTS = {
    "/access/users": "groups and realms of users are not modelled: User.Modify on /access stands for them",
    "/access/users/{userid}": "the same",
    "/access/users/{userid}/token": "the same",
    "/access/users/{userid}/token/{tokenid}": "the same",
    "/access/acl": "checked by the call itself: Permissions.Modify on the path that is given",
    "/nodes/{node}/qemu/{vmid}/agent": "the description names the same privilege twice",
}
LIMITS = {"minimum": "minimum", "maximum": "maximum", "minLength": "min_length", "maxLength": "max_length"}


@pytest.fixture(scope="module")
def schema() -> Any:
    if not SCHEMA.exists():
        pytest.skip(f"PVE's API description is not at hand ({SCHEMA})")
    return json.loads(SCHEMA.read_text())


def _expanded(properties: dict[str, Any]) -> dict[str, Any]:
    """`net[n]` with every number that the simulator knows."""
    result = {}
    for name, form in properties.items():
        if not name.endswith("[n]"):
            result[name] = form
            continue
        pattern = re.compile(re.escape(name.removesuffix("[n]")) + r"\d+")
        result |= {option: form for option in OPTION_BY_NAME if pattern.fullmatch(option)}
    return result


def _differences(name: str, described: dict[str, Any], modelled: Parameter) -> list[str]:
    pairs = {
        "type": (described.get("type"), modelled.kind),
        "optional": (bool(described.get("optional")), modelled.optional),
        "enum": (tuple(described.get("enum", ())), modelled.choices),
        "requires": (described.get("requires"), modelled.requires),
    }
    for theirs, ours in LIMITS.items():
        limit = described.get(theirs)
        pairs[theirs] = (None if limit is None else float(limit), getattr(modelled, ours))
    found = [f"{name}: {what} is {a}, not {b}" for what, (a, b) in pairs.items() if a != b]
    inner = described.get("format")
    if isinstance(inner, dict):
        keys = {key: form for key, form in inner.items() if "alias" not in form}
        ours_inner = dict(modelled.properties.keys) if modelled.properties else {}
        if set(keys) != set(ours_inner):
            return [*found, f"{name}: keys {sorted(set(keys) ^ set(ours_inner))}"]
        for key, form in keys.items():
            found += _differences(f"{name}.{key}", form, ours_inner[key])
    return found


def _as_described(rule: Rule) -> Any:
    if isinstance(rule, Privilege):
        return ["perm", rule.path, list(rule.names), *(["any", 1] if rule.any_of else [])]
    if isinstance(rule, AllOf):
        return ["and", *map(_as_described, rule.rules)]
    if isinstance(rule, OneOf):
        return [
            "or",
            *(_as_described(one) + (["require_param", name] if name else []) for one, name in rule.rules),
        ]
    return None


def _check(endpoint: Endpoint, described: dict[str, Any]) -> list[str]:
    properties = _expanded((described.get("parameters") or {}).get("properties", {}))
    in_path = {name: PATH_PARAMETERS[name] for name in re.findall(r"\{(\w+)\}", endpoint.path)}
    modelled = {**in_path, **endpoint.parameters}
    found = [f"{name}: unknown to PVE" for name in modelled if name not in properties]
    if endpoint.path not in FEWER_PARAMETERS:
        found += [f"{name}: missing" for name in properties if name not in modelled]
    for name, parameter in modelled.items():
        if name in properties and not (name == "storage" and endpoint.path.endswith("{volume}")):
            found += _differences(name, properties[name], parameter)
    if endpoint.path not in OTHER_RIGHTS:
        rights = (described.get("permissions") or {}).get("check")
        if rights != _as_described(endpoint.rule):
            found.append(f"rights: {rights}, not {_as_described(endpoint.rule)}")
    return found


def test_every_endpoint_is_described_and_takes_what_the_description_says(schema: Any) -> None:
    table = {}
    for endpoint in ENDPOINTS:
        if endpoint.path in OUTSIDE:
            continue
        described = schema.get(endpoint.path, {}).get(endpoint.method)
        problems = ["not described"] if described is None else _check(endpoint, described)
        table[f"{endpoint.method} {endpoint.path}"] = problems
    print(f"\n{len(table)} endpoints checked, {sum(not p for p in table.values())} as described")
    assert {name: problems for name, problems in table.items() if problems} == {}


def test_exceptions_are_still_needed(schema: Any) -> None:
    modelled = {endpoint.path for endpoint in ENDPOINTS}
    assert set(OUTSIDE) <= modelled
    assert not set(OUTSIDE) & set(schema)
    assert {*FEWER_PARAMETERS, *OTHER_RIGHTS} <= modelled


def test_tasks_are_tasks(schema: Any) -> None:
    """What the description calls a string, under a VM and not by GET, is a UPID; all else is not."""
    from simulator.api.qemu import clone, config, create, destroy, disks, power, snapshots

    tasks = {
        (endpoint.method, endpoint.path)
        for module in (clone, config, create, destroy, disks, power, snapshots)
        for endpoint in module.ENDPOINTS
        if endpoint.method != "GET"
        and (endpoint.method, endpoint.path) != ("PUT", "/nodes/{node}/qemu/{vmid}/config")
    }
    described = {
        (method, path)
        for method, path in tasks
        if (schema[path][method].get("returns") or {}).get("type") == "string"
    }
    assert tasks == described
