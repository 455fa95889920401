"""Clients that the project does not use work unchanged."""

from typing import Any

import pytest
from proxmoxer.tools import Tasks

from tests.simulator.lab import NODE, TEMPLATE, Lab


def test_proxmoxers_own_task_tools(lab: Lab) -> None:
    upid = lab.vm(TEMPLATE).clone.post(newid=200, pool="innkeeper")
    status = Tasks.blocking_status(lab.api, upid, timeout=10, polling_interval=0.01)
    assert status["exitstatus"] == "OK"
    parts = Tasks.decode_upid(upid)
    assert (parts["node"], parts["type"], parts["user"]) == (NODE, "qmclone", "innkeeper@pve")
    log = Tasks.decode_log(lab.node.tasks(upid).log.get())
    assert log.splitlines()[0] == "creating a clone of VM 9101 with ID 200"


def test_prometheus_pve_exporter(lab: Lab) -> None:
    collector = pytest.importorskip(
        "pve_exporter.collector", reason="prometheus-pve-exporter is not installed"
    )
    lab.make(200, onboot=1)
    lab.start(200)
    lab.sim.call(lambda server: server.world.broadcast.refresh())
    user, _, token = lab.sim.token_id.partition("!")
    config: dict[str, Any] = {
        "port": lab.sim.port,
        "user": user,
        "token_name": token,
        "token_value": lab.sim.token_secret,
        "verify_ssl": lab.sim.ca_path,
    }
    everything = collector.CollectorsOptions(*[True] * len(collector.CollectorsOptions._fields))
    text = collector.collect_pve(config, lab.sim.host, True, True, everything).decode()
    assert 'pve_up{id="node/vm01"} 1.0' in text
    assert 'pve_up{id="qemu/200"} 1.0' in text
    assert 'pve_onboot_status{id="qemu/200",node="vm01",type="qemu"} 1.0' in text
    assert 'pve_cluster_info{id="cluster/sim",nodes="2",quorate="1",version="1"} 1.0' in text
    assert 'pve_version_info{release="9.2",repoid="14a22df35955d97d",version="9.2.11"} 1.0' in text
    assert (
        'pve_guest_info{id="qemu/200",name="guest-200",node="vm01",tags="template",template="0",type="qemu"}'
        in text
    )
