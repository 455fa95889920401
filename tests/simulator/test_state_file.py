"""State that outlives the process."""

from pathlib import Path

import pytest

from simulator import Simulator, demo_config
from simulator.state.cluster import Cluster
from simulator.state.codec import decode, encode
from simulator.state.file import StateError
from tests.simulator.conftest import FAST
from tests.simulator.lab import NODE, TEMPLATE, Lab, client, eventually, host_key


def _open(path: Path, nodes: int = 1, scale: float = FAST) -> Simulator:
    return Simulator(demo_config(nodes=nodes, gpus_per_node=2, time_scale=scale, state_file=str(path)))


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    with _open(path) as sim:
        lab = Lab(sim, client(sim))
        lab.make(200, hostpci0="mapping=gpu-vm01-1", tags="kept")
        lab.start(200)
        address, key = lab.address(200), host_key(lab.address(200), sim.ssh_port)
        before = (sim.vms(), sim.node(NODE).reservations, sim.volumes(NODE), len(sim.tasks()))
        identity = (sim.token_secret, sim.root_password, sim.fingerprint, sim.ca_path)
    with _open(path) as sim:
        lab = Lab(sim, client(sim))
        assert (sim.vms(), sim.node(NODE).reservations, sim.volumes(NODE), len(sim.tasks())) == before
        assert (sim.token_secret, sim.root_password, sim.fingerprint, sim.ca_path) == identity
        assert lab.address(200) == address
        assert host_key(address, sim.ssh_port) == key
        assert lab.vm(200).status.current.get()["status"] == "running"


def test_new_ids_are_new_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    cards = set()
    for vmid in (200, 201, 202):
        with _open(path) as sim:
            Lab(sim, client(sim)).make(vmid)
            cards |= {vm.config["net0"] for vm in sim.vms().values()}
    assert len(cards) == 5


def test_a_task_that_ran_has_lost_its_worker(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    with _open(path, scale=0.05) as sim:
        lab = Lab(sim, client(sim))
        upid = lab.vm(TEMPLATE).clone.post(newid=200, pool="innkeeper", full=1)
        eventually(lambda: len(lab.log(upid)) > 10)
    with _open(path) as sim:
        lab = Lab(sim, client(sim))
        assert lab.end(upid) == "unexpected status"
        assert sim.vm(200).lock == "clone"  # type: ignore[union-attr]


def test_the_file_is_written_soon_after_a_change_and_only_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    with _open(path) as sim:
        Lab(sim, client(sim)).vm(TEMPLATE).config.put(tags="soon")
        eventually(lambda: '"tags": "soon"' in path.read_text(), seconds=3)
        assert path.stat().st_mode & 0o077 == 0


def test_a_file_of_another_cluster_or_of_nonsense_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cluster.json"
    with _open(path):
        pass
    with pytest.raises(StateError, match="made with 1 nodes, not 2"):
        _open(path, nodes=2).start()
    path.write_text("{}")
    with pytest.raises(StateError, match="no state file"):
        _open(path).start()


def test_a_cluster_survives_the_codec() -> None:
    with Simulator(demo_config(nodes=2, time_scale=0)) as sim:
        cluster = sim.call(lambda server: server.cluster)
        assert decode(Cluster, encode(cluster)) == cluster
