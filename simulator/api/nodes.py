"""/nodes: hosts, their state and their hardware."""

from typing import Any

from simulator.access.rules import any_on, on
from simulator.api.access import VERSION
from simulator.api.call import Call, Endpoint
from simulator.api.rows import ROOT_DISK, node_lines
from simulator.broadcast import node_cpu, node_memory_used
from simulator.schema.formats import split_tags
from simulator.schema.parameters import boolean, choice, need, text
from simulator.state.nodes import PciDevice

HIDDEN_CLASSES = "05;06;0b"
BRIDGE_FILTERS = frozenset({"bridge", "any_bridge", "any_local_bridge", "include_sdn"})
KERNEL = "6.17.4-2-pve"
_NAMES = {
    "0x10de": "NVIDIA Corporation",
    "0x1af4": "Red Hat, Inc.",
    "0x1022": "Advanced Micro Devices, Inc. [AMD]",
    "0x14e4": "Broadcom Inc.",
}


def _list(call: Call) -> list[dict[str, Any]]:
    fingerprint = call.world.cluster.identity.get("fingerprint", "")
    lines = node_lines(call.world.cluster, call.world.clock.now(), call.may_audit_node)
    return [{**line, "ssl_fingerprint": fingerprint} for line in lines]


def _index(_call: Call) -> list[dict[str, str]]:
    return [{"name": name} for name in ("hardware", "qemu", "status", "storage", "tasks", "time", "version")]


def _status(call: Call) -> dict[str, Any]:
    world, node = call.world, call.node
    now = world.clock.now()
    vms = world.cluster.vms_on(node.name)
    used = node_memory_used(node, vms)
    cpu = node_cpu(node, vms, now)
    return {
        "uptime": int(now - node.booted_at),
        "cpu": cpu,
        "wait": 0,
        "idle": 0,
        "loadavg": [f"{cpu * node.cores:.2f}"] * 3,
        "memory": {
            "total": node.memory,
            "used": used,
            "free": node.memory - used,
            "available": node.memory - used,
        },
        "swap": {"total": 0, "used": 0, "free": 0},
        "ksm": {"shared": 0},
        "rootfs": {
            "total": ROOT_DISK,
            "used": ROOT_DISK // 10,
            "free": ROOT_DISK - ROOT_DISK // 10,
            "avail": ROOT_DISK - ROOT_DISK // 10,
        },
        "cpuinfo": {
            "model": "AMD EPYC 9354 32-Core Processor",
            "vendor": "AuthenticAMD",
            "family": "25",
            "cpus": node.cores,
            "cores": node.cores // 2,
            "sockets": 2,
            "mhz": "3250.000",
            "user_hz": 100,
            "hvm": "1",
            "flags": "fpu vme de pse tsc msr svm avx2 avx512f",
        },
        "kversion": f"Linux {KERNEL}",
        "current-kernel": {
            "sysname": "Linux",
            "release": KERNEL,
            "version": "#1 SMP PREEMPT_DYNAMIC PMX",
            "machine": "x86_64",
        },
        "boot-info": {"mode": "efi", "secureboot": 0},
        "pveversion": f"pve-manager/{VERSION['version']}/{VERSION['repoid']}",
    }


def _reboot(call: Call) -> None:
    call.world.nodes.reboot(call.node, stays_down=call.args["command"] == "shutdown")


def _time(call: Call) -> dict[str, Any]:
    now = int(call.world.clock.now() + call.node.clock_skew)
    return {"timezone": "UTC", "time": now, "localtime": now}


def _network(call: Call) -> list[dict[str, Any]]:
    return [
        {
            "iface": bridge,
            "type": "bridge",
            "active": 1,
            "autostart": 1,
            "priority": 3 + number,
            "method": "static",
            "method6": "manual",
            "families": ["inet"],
            "address": call.node.address,
            "netmask": "24",
            "cidr": f"{call.node.address}/24",
            "bridge_ports": "",
            "bridge_stp": "off",
            "bridge_fd": "0",
        }
        for number, bridge in enumerate(call.node.bridges)
        if call.args.get("type", "bridge") in BRIDGE_FILTERS
    ]


def _pci(call: Call) -> list[dict[str, Any]]:
    hidden = split_tags(call.args.get("pci-class-blacklist", HIDDEN_CLASSES))
    return [
        _device(device, verbose=call.args.get("verbose", True))
        for device in call.node.devices.values()
        if not device.missing and not any(device.pci_class.startswith(f"0x{kind}") for kind in hidden)
    ]


def _device(device: PciDevice, *, verbose: bool) -> dict[str, Any]:
    if not verbose:
        return {"id": device.address}
    line: dict[str, Any] = {
        "id": device.address,
        "class": device.pci_class,
        "vendor": device.vendor,
        "device": device.device,
        "iommugroup": device.iommu_group,
        "subsystem_vendor": device.subsystem_vendor,
        "subsystem_device": device.subsystem_device,
        "device_name": device.device_name,
    }
    if device.vendor in _NAMES:
        line["vendor_name"] = _NAMES[device.vendor]
    if device.subsystem_vendor in _NAMES:
        line["subsystem_vendor_name"] = _NAMES[device.subsystem_vendor]
    return line


def _subscription(_call: Call) -> dict[str, Any]:
    return {"status": "notfound", "message": "There is no subscription key", "serverid": "0" * 32}


_NODE = "/nodes/{node}"
_INTERFACES = (
    *("bridge", "bond", "eth", "alias", "vlan", "fabric", "OVSBridge", "OVSBond", "OVSPort", "OVSIntPort"),
    *("vnet", "any_bridge", "any_local_bridge", "include_sdn"),
)

ENDPOINTS = (
    Endpoint("GET", "/nodes", _list),
    Endpoint("GET", _NODE, _index),
    Endpoint("GET", f"{_NODE}/status", _status, {}, on(_NODE, "Sys.Audit")),
    Endpoint(
        "POST",
        f"{_NODE}/status",
        _reboot,
        {"command": need(choice("reboot", "shutdown"))},
        on(_NODE, "Sys.PowerMgmt"),
    ),
    Endpoint("GET", f"{_NODE}/version", lambda _call: VERSION),
    Endpoint("GET", f"{_NODE}/time", _time, {}, on(_NODE, "Sys.Audit")),
    Endpoint("GET", f"{_NODE}/subscription", _subscription),
    Endpoint("GET", f"{_NODE}/network", _network, {"type": choice(*_INTERFACES)}),
    Endpoint("GET", f"{_NODE}/hardware", lambda _call: [{"type": "pci"}, {"type": "usb"}]),
    Endpoint(
        "GET",
        f"{_NODE}/hardware/pci",
        _pci,
        {"pci-class-blacklist": text(), "verbose": boolean()},
        any_on("/", "Sys.Audit", "Sys.Modify"),
    ),
)
