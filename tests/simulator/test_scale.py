"""A thousand nodes, many requests, many guests."""

import time

import requests

from tests.simulator.conftest import MakeLab
from tests.simulator.lab import Lab, eventually

ENOUGH = 200
"""Requests per second on one core."""


def test_a_thousand_nodes(make_lab: MakeLab) -> None:
    began = time.monotonic()
    lab = make_lab(nodes=1000, gpus_per_node=8)
    assert time.monotonic() - began < 5
    assert len(lab.api.nodes.get()) == 1000
    assert len(lab.api.cluster.resources.get(type="vm")) == 2000
    far = lab.api.nodes("vm1000")
    assert lab.end(far.qemu(9100001).clone.post(newid=200, pool="innkeeper")) == "OK"
    far.qemu(200).config.put(hostpci0="mapping=gpu-vm1000-7")
    assert lab.end(far.qemu(200).status.start.post()) == "OK"


def test_two_hundred_requests_a_second_on_one_core(lab: Lab) -> None:
    paths = [
        "/version",
        "/nodes/vm01/qemu/9101/config",
        "/nodes/vm01/qemu/9101/status/current",
        "/cluster/resources?type=vm",
    ]
    count = 100
    headers = {"Authorization": f"PVEAPIToken={lab.sim.token_id}={lab.sim.token_secret}"}
    with requests.Session() as session:
        before = lab.sim.cpu_seconds()
        for number in range(count):
            url = f"{lab.sim.url}/api2/json{paths[number % len(paths)]}"
            assert session.get(url, headers=headers, verify=lab.sim.ca_path, timeout=5).status_code == 200
        spent = lab.sim.cpu_seconds() - before
    assert count / spent > ENOUGH


def test_fifty_guests_at_once(make_lab: MakeLab) -> None:
    lab = make_lab(nodes=1, gpus_per_node=0)
    vmids = range(200, 250)
    clones = [lab.vm(9101).clone.post(newid=vmid, pool="innkeeper", name=f"g{vmid}") for vmid in vmids]
    results = [lab.end(upid) for upid in clones]
    # Clones of one node wait for each other at the storage's lock, and some wait too long, as on a real one.
    made = [vmid for vmid, result in zip(vmids, results, strict=True) if result == "OK"]
    assert all("pve-storage-local-zfs' - got timeout" in result for result in results if result != "OK")
    for upid in [lab.vm(vmid).status.start.post() for vmid in made]:
        assert lab.end(upid) == "OK"
    eventually(lambda: all(lab.sim.call(lambda s, v=vmid: s.world.guests.of(v).listening) for vmid in made))
    addresses = {vm.running.address for vm in lab.sim.vms().values() if vm.running}
    assert len(addresses) == len(made)
