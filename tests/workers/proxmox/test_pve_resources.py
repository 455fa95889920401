"""The listing of a cluster, as PVE 9.2 answers it to tokens with more and with fewer rights."""

from orchestrator.fleet.sightings import GuestSeen, NodeSeen
from workers.proxmox.resources import parse_resources

ROWS = [
    {"type": "node", "id": "node/pve1", "node": "pve1", "status": "online", "level": "", "uptime": 1582},
    {"type": "node", "id": "node/pve2", "node": "pve2", "status": "online", "level": ""},
    {"type": "node", "id": "node/pve3", "node": "pve3", "status": "offline", "level": ""},
    {"type": "node", "id": "node/pve4", "node": "pve4", "status": "unknown"},
    {"type": "storage", "id": "storage/pve1/local", "node": "pve1", "status": "available"},
    {"type": "network", "id": "network/pve1/zone/localnetwork", "node": "pve1", "status": "ok"},
    {
        "type": "qemu", "vmid": 101, "node": "pve1", "status": "running", "name": "gpu-1", "template": 0,
        "cpu": 0.25, "mem": 1, "maxmem": 4, "tags": "a;b", "pool": "innkeeper",
    },
    {"type": "qemu", "vmid": 102, "node": "pve2", "status": "unknown"},
    {
        "type": "qemu", "vmid": 103, "node": "pve2", "status": "running", "name": "busy",
        "cpu": 1.3, "mem": 9, "maxmem": 8, "lock": "clone",
    },
    {"type": "qemu", "vmid": 9000, "node": "pve2", "status": "stopped", "name": "tmpl", "template": 1},
    {"type": "lxc", "vmid": 104, "node": "pve1", "status": "running"},
]  # fmt: skip


def test_a_node_is_up_only_when_it_is_online() -> None:
    nodes = parse_resources(ROWS).nodes
    assert nodes == {
        "pve1": NodeSeen(online=True, uptime_seconds=1582),
        "pve2": NodeSeen(online=True),
        "pve3": NodeSeen(online=False),
        "pve4": NodeSeen(online=False),
    }


def test_vms_are_told_apart_from_containers_and_templates() -> None:
    guests = parse_resources(ROWS).guests
    assert sorted(guests) == [101, 102, 103, 9000]
    assert guests[101] == GuestSeen(
        101, "pve1", "gpu-1", "running", 0.25, 0.25, tags=("a", "b"), pool="innkeeper"
    )
    assert guests[102] == GuestSeen(102, "pve2", "", "unknown")
    assert guests[9000].template


def test_use_is_a_fraction_of_what_the_vm_has() -> None:
    busy = parse_resources(ROWS).guests[103]
    assert (busy.cpu, busy.memory, busy.lock) == (1.0, 1.0, "clone")
