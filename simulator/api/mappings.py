"""/cluster/mapping/pci."""

from typing import Any

from simulator.access.rules import OneOf, on
from simulator.api.call import Call, Endpoint
from simulator.errors import PveError
from simulator.schema import formats
from simulator.schema.formats import split_tags
from simulator.schema.parameters import array, boolean, integer, need, pattern, text
from simulator.schema.properties import PropertyFormat
from simulator.state.mappings import Mapping, mappings_digest, mismatch
from simulator.state.nodes import Node

_PCI_ID = r"[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}"
_PATH = r"[a-f0-9]{4,}:[a-f0-9]{2}:[a-f0-9]{2}(?:\.[a-f0-9])?"
ENTRY = PropertyFormat(
    {
        "node": need(text(formats.node_name)),
        "path": need(pattern(rf"(?:{_PATH};)*{_PATH}")),
        "id": need(pattern(_PCI_ID)),
        "iommugroup": integer(),
        "subsystem-id": pattern(_PCI_ID),
        "description": text(max_length=4096),
    }
)
_SEEING = ("Mapping.Use", "Mapping.Modify", "Mapping.Audit")


def _line(mapping: Mapping, digest: str) -> dict[str, Any]:
    line: dict[str, Any] = {"id": mapping.id, "type": "pci", "map": list(mapping.entries), "digest": digest}
    if mapping.description:
        line["description"] = mapping.description
    if mapping.mdev:
        line["mdev"] = 1
    if mapping.live_migration_capable:
        line["live-migration-capable"] = 1
    return line


def _list(call: Call) -> list[dict[str, Any]]:
    cluster = call.world.cluster
    digest = mappings_digest(cluster.mappings)
    lines = []
    for mapping in cluster.mappings.values():
        if not call.rights.any(f"/mapping/pci/{mapping.id}", *_SEEING):
            continue
        line = _line(mapping, digest)
        if "check-node" in call.args:
            line["checks"] = _checks(
                mapping, call.args["check-node"], cluster.nodes.get(call.args["check-node"])
            )
        lines.append(line)
    return lines


def _checks(mapping: Mapping, name: str, node: Node | None) -> list[dict[str, str]]:
    entries = mapping.of_node(name)
    if not entries or node is None:
        return [{"severity": "warning", "message": f"No mapping for node {name}."}]
    problems = [mismatch(mapping, entry, node) for entry in entries]
    return [
        {"severity": "error", "message": f"Invalid configuration: {problem}\n"}
        for problem in problems
        if problem
    ]


def _known(call: Call) -> Mapping:
    mapping = call.world.cluster.mappings.get(call.args["id"])
    if mapping is None:
        raise PveError(f"mapping '{call.args['id']}' not found")
    return mapping


def _read(call: Call) -> dict[str, Any]:
    line = _line(_known(call), mappings_digest(call.world.cluster.mappings))
    del line["id"]
    return line


def _add(call: Call) -> None:
    name, mappings = call.args["id"], call.world.cluster.mappings
    if name in mappings:
        raise PveError(f"create hardware mapping failed: pci ID '{name}' already defined")
    mappings[name] = Mapping(
        name,
        call.args["map"],
        call.args.get("description", ""),
        call.args.get("mdev", False),
        call.args.get("live-migration-capable", False),
    )


def _change(call: Call) -> None:
    mapping = _known(call)
    expected = call.args.get("digest")
    if expected and expected != mappings_digest(call.world.cluster.mappings):
        raise PveError("detected modified configuration - file changed by other user? Try again.")
    mapping.entries = call.args.get("map", mapping.entries)
    mapping.description = call.args.get("description", mapping.description)
    mapping.mdev = call.args.get("mdev", mapping.mdev)
    mapping.live_migration_capable = call.args.get("live-migration-capable", mapping.live_migration_capable)
    for option in split_tags(call.args.get("delete", "")):
        if option == "description":
            mapping.description = ""
        elif option == "mdev":
            mapping.mdev = False


def _remove(call: Call) -> None:
    call.world.cluster.mappings.pop(call.args["id"], None)


_MAPPING = "/cluster/mapping/pci/{id}"
_OPTIONS = {
    "description": text(max_length=4096),
    "mdev": boolean(),
    "live-migration-capable": boolean(),
}

ENDPOINTS = (
    Endpoint("GET", "/cluster/mapping", lambda _call: [{"name": name} for name in ("dir", "pci", "usb")]),
    Endpoint("GET", "/cluster/mapping/pci", _list, {"check-node": text(formats.node_name)}),
    Endpoint(
        "POST",
        "/cluster/mapping/pci",
        _add,
        {"id": need(text(formats.config_id)), "map": need(array(form_properties=ENTRY)), **_OPTIONS},
        on("/mapping/pci", "Mapping.Modify"),
    ),
    Endpoint(
        "GET",
        _MAPPING,
        _read,
        {},
        OneOf(tuple((on("/mapping/pci/{id}", privilege), None) for privilege in _SEEING)),
    ),
    Endpoint(
        "PUT",
        _MAPPING,
        _change,
        {
            "map": array(form_properties=ENTRY),
            "delete": text(formats.config_id_list, max_length=4096),
            "digest": text(max_length=64),
            **_OPTIONS,
        },
        on("/mapping/pci/{id}", "Mapping.Modify"),
    ),
    Endpoint("DELETE", _MAPPING, _remove, {}, on("/mapping/pci", "Mapping.Modify")),
)
