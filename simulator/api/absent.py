"""What the simulated cluster has none of; callers that look for it get the empty answer that PVE gives."""

from typing import Any

from simulator.access.rules import on
from simulator.api.call import Call, Endpoint
from simulator.schema.parameters import choice


def _nothing(_call: Call) -> list[Any]:
    return []


def _no_device(_call: Call) -> dict[str, Any]:
    return {}


def _not_backed_up(call: Call) -> list[dict[str, Any]]:
    return [
        {"vmid": vm.vmid, "name": vm.name, "type": "qemu"}
        for vm in call.world.cluster.vms.values()
        if call.rights.has(f"/vms/{vm.vmid}", "VM.Audit")
    ]


ENDPOINTS = (
    Endpoint("GET", "/cluster/backup-info/not-backed-up", _not_backed_up),
    Endpoint("GET", "/cluster/config/qdevice", _no_device, {}, on("/", "Sys.Audit")),
    Endpoint("GET", "/cluster/ha/resources", _nothing, {"type": choice("ct", "vm")}, on("/", "Sys.Audit")),
    Endpoint("GET", "/cluster/ha/status/current", _nothing, {}, on("/", "Sys.Audit")),
    Endpoint("GET", "/nodes/{node}/lxc", _nothing),
    Endpoint("GET", "/nodes/{node}/replication", _nothing),
)
