"""Applying a catalog: what is added, changed, retired and brought back, and what stays as it is."""

# ruff: noqa: E501 (tables read best with one case a line)

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal

import pytest
from sample_catalog import SAMPLE, Tenant, apply_text, changed, without
from sqlalchemy import select, text, update

from orchestrator.catalog.models import (
    Address,
    Cluster,
    Gpu,
    GpuType,
    Node,
    PriceList,
    Template,
    TemplateCopy,
)
from orchestrator.errors import InvalidRequest
from orchestrator.store.database import Database

VM02 = '[[nodes]]\nid = "vm02"'
NOTHING = "nothing to change"


def lines(database: Database, catalog: str) -> list[str]:
    """What applying says; a second time it has nothing to say."""
    said = apply_text(database, catalog)
    again = apply_text(database, catalog)
    assert (bool(again), str(again)) == (False, NOTHING)
    return str(said).splitlines()


def test_the_first_application_adds_everything(database):
    assert lines(database, SAMPLE) == [
        "cluster c1: added",
        "gpu_type 5090: added",
        "gpu_type 4090: added",
        "node vm01: added",
        "node vm02: added",
        "gpu gpu-a of node vm01: added",
        "gpu gpu-b of node vm01: added",
        "gpu gpu-a of node vm02: added",
        "template 9000: added",
        "template 9000 on node vm01: added",
        "template 9000 on node vm02: added",
        "addresses of node vm01: added (3 of them)",
        "prices: added",
    ]
    with database.transaction() as tx:
        cluster = tx.scalars(select(Cluster)).one()
        assert (cluster.token_source, cluster.ca_file, cluster.vmid_next) == (
            "env:PVE_TOKEN", "/etc/innkeeper/ca.pem", 100_000,
        )  # fmt: skip
        node = tx.scalars(select(Node).where(Node.id == "vm01")).one()
        assert (node.pve_name, node.address_mode, node.prefix_length, node.gateway) == (
            "pve1", "static", 24, "10.1.0.1",
        )  # fmt: skip
        gpu = tx.scalars(select(Gpu).where(Gpu.mapping == "gpu-b")).one()
        assert (gpu.gpu_type, gpu.numa_node, gpu.pcie_root, gpu.health) == ("5090", 1, "0", "ok")
        prices = tx.get_one(PriceList, 1)
        assert (prices.storage_gb_hour, prices.discount_6) == (Decimal("0.0001"), Decimal("20.5"))
        copy = tx.get_one(TemplateCopy, (9000, "vm01"))
        assert (copy.pve_vmid, copy.pve_node) == (9001, "pve1")


CHANGES = [
    ("hourly_rate = 0.40", "hourly_rate = 0.455", "gpu_type 4090: hourly_rate 0.40 → 0.455"),
    ("storage_gb_hour = 0.0001", "storage_gb_hour = 0", "prices: storage_gb_hour 0.0001 → 0.00"),
    ("3 = 10", "3 = 12", "prices: discounts.3 10.00 → 12.00"),
    ('"https://10.0.0.1:8006", ', "",
     "cluster c1: endpoints https://10.0.0.1:8006, https://10.0.0.2:8006 → https://10.0.0.2:8006"),
    ('"env:PVE_TOKEN"', '"file:/run/token"', "cluster c1: token env:PVE_TOKEN → file:/run/token"),
    ('tls = { ca_file = "/etc/innkeeper/ca.pem" }\n', "", "cluster c1: tls.ca_file /etc/innkeeper/ca.pem → none"),
    ("vmid_last = 199999", "vmid_last = 299999", "cluster c1: vmid_last 199999 → 299999"),
    ('storage = "local-lvm"', 'storage = "local-lvm"\nfull_clone = true', "node vm02: full_clone false → true"),
    ('addresses.subnets = ["10.2.0.0/24"]', "", "node vm02: addresses.subnets 10.2.0.0/24 → none"),
    ('cpu_cores = 32', "cpu_cores = 48", "node vm02: cpu_cores 32 → 48"),
    ("numa_node = 1", "numa_node = 0", "gpu gpu-b of node vm01: numa_node 1 → 0"),
    ('type = "4090"', 'type = "5090"', "gpu gpu-a of node vm02: type 4090 → 5090"),
    ("disk_gb = 20", "disk_gb = 30", "template 9000: disk_gb 20 → 30"),
    ('["ssh_key"]', '["ssh_key", "password"]', "template 9000: auth_methods ssh_key → ssh_key, password"),
    ("vm02 = 9002", "vm02 = 9003", "template 9000 on node vm02: VMID 9002 → 9003"),
    ("vm02 = 9002\n", "", "template 9000 on node vm02: removed"),
    ('pool = ["10.1.0.10-10.1.0.12"]', 'pool = ["10.1.0.10"]', "addresses of node vm01: retired (2 of them)"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), CHANGES)
def test_a_change_is_said_made_and_undone(applied, old, new, said):
    assert lines(applied, changed((old, new))) == [said]
    assert len(lines(applied, SAMPLE)) == 1


def test_several_changes_of_a_row(applied):
    catalog = changed(('id = "vm02"\n', 'id = "vm02"\npve_name = "pve2"\nssh_port = 2222\n'))
    assert lines(applied, catalog) == [
        "node vm02: pve_name vm02 → pve2",
        "node vm02: ssh_port 22 → 2222",
        "template 9000 on node vm02: pve_node vm02 → pve2",
    ]


def test_what_the_file_lists_no_more_is_retired_and_comes_back(applied):
    smaller = without(VM02, without('[[gpu_types]]\nid = "4090"'))
    smaller = changed(("vm02 = 9002\n", ""), catalog=smaller)
    gone = ["gpu_type 4090", "node vm02", "gpu gpu-a of node vm02"]
    assert lines(applied, smaller) == [f"{name}: retired" for name in gone]
    with applied.transaction() as tx:
        assert isinstance(tx.get_one(Node, "vm02").retired_at, datetime)
        assert tx.get(TemplateCopy, (9000, "vm02")) is not None
    returning = changed(("ram_gb = 256", "ram_gb = 128"))
    assert lines(applied, returning) == [
        "gpu_type 4090: offered again",
        "node vm02: offered again",
        "node vm02: ram_gb 256 → 128",
        "gpu gpu-a of node vm02: offered again",
    ]
    with applied.transaction() as tx:
        assert [node.retired_at for node in tx.scalars(select(Node))] == [None, None]


def test_a_template_and_a_cluster_are_retired_and_come_back(applied):
    other = changed(
        ("vmid = 9000", "vmid = 9100"), ("vm01 = 9001", "vm01 = 9101"), ("vm02 = 9002", "vm02 = 9102"),
        ('id = "c1"\n', 'id = "c2"\n'), ('id = "vm01"\ncluster = "c1"', 'id = "vm11"\ncluster = "c2"'),
        ('id = "vm02"\ncluster = "c1"', 'id = "vm12"\ncluster = "c2"'),
        ("vm01 = 9101", "vm11 = 9101"), ("vm02 = 9102", "vm12 = 9102"),
    )  # fmt: skip
    assert "template 9000: retired" in lines(applied, other)
    said = lines(applied, SAMPLE)
    assert {"cluster c1: offered again", "cluster c2: retired", "template 9000: offered again"} <= set(said)
    assert "addresses of node vm01: offered again (3 of them)" in said


def test_operational_data_are_left_alone(applied):
    with applied.transaction() as tx:
        tx.execute(update(Node).where(Node.id == "vm01").values(state="draining", interrupts=True))
        tx.execute(
            update(Gpu)
            .where(Gpu.mapping == "gpu-b")
            .values(health="quarantined", quarantine_cause="start", quarantine_reason="no reset")
        )
        tx.execute(update(Cluster).values(vmid_next=100_007))
    apply_text(applied, changed(("numa_node = 1", "numa_node = 0"), ("ram_gb = 512", "ram_gb = 500")))
    apply_text(applied, without(VM02, changed(("vm02 = 9002\n", ""))))
    apply_text(applied)
    with applied.transaction() as tx:
        node = tx.get_one(Node, "vm01")
        assert (node.state, node.interrupts) == ("draining", True)
        assert tx.scalars(select(Gpu.health).where(Gpu.mapping == "gpu-b")).one() == "quarantined"
        assert tx.scalars(select(Cluster.vmid_next)).one() == 100_007


def test_what_is_in_use_is_kept_but_not_offered(applied, guest: Tenant):
    first, second = guest.rents(), guest.rents()
    catalog = without('[[nodes]]\nid = "vm01"', without('[[gpu_types]]\nid = "5090"'))
    catalog = changed(("vmid = 9000", "vmid = 9100"), ("vm01 = 9001\n", ""), ("vm02 = 9002", "vm02 = 9102"),
                      catalog=catalog)  # fmt: skip
    kept = "in use by {} VM{}: kept, not offered any more"
    assert lines(applied, catalog) == [
        f"gpu_type 5090: {kept.format(2, 's')}",
        f"node vm01: {kept.format(2, 's')}",
        f"gpu gpu-a of node vm01: {kept.format(1, '')}",
        f"gpu gpu-b of node vm01: {kept.format(1, '')}",
        "template 9100: added",
        f"template 9000: {kept.format(2, 's')}",
        "template 9100 on node vm02: added",
        f"addresses of node vm01: {kept.format(1, '')} (2 of them)",
        "addresses of node vm01: retired",
    ]
    with applied.transaction() as tx:
        rows = [row for model in (Node, Gpu, GpuType, Template, Address) for row in tx.scalars(select(model))]
        assert {row.retired_at is None for row in rows} == {True, False}
        assert {tx.get_one(type(vm), vm.id).node_id for vm in (first, second)} == {"vm01"}
        assert len(tx.execute(text("SELECT FROM claims WHERE released_at IS NULL")).all()) == 2
        assert len(tx.execute(text("SELECT FROM addresses WHERE vm_id IS NOT NULL")).all()) == 2
    with pytest.raises(InvalidRequest, match="There is no node vm01"):
        guest.rents()


def test_what_was_in_use_is_simply_retired(applied, guest: Tenant):
    vm = guest.rents()
    guest.gives_back(vm)
    guest.moves(vm, "failed")
    catalog = without('[[nodes]]\nid = "vm01"', changed(("vm01 = 9001\n", "")))
    assert lines(applied, catalog) == [
        "node vm01: retired",
        "gpu gpu-a of node vm01: retired",
        "gpu gpu-b of node vm01: retired",
        "addresses of node vm01: retired (3 of them)",
    ]


def test_two_at_once_run_one_after_the_other(database):
    with ThreadPoolExecutor(2) as pool:
        said = sorted(str(one) for one in pool.map(lambda _: apply_text(database), range(2)))
    assert said[1] == NOTHING or said[0].startswith("cluster c1: added")
    assert NOTHING in said


def test_a_large_catalog_is_applied_in_seconds(database):
    head, nodes = SAMPLE.partition("[[nodes]]")[0], []
    for number in range(1000):
        gpus = "".join(f'[[nodes.gpus]]\nmapping = "g{slot}"\ntype = "5090"\n' for slot in range(8))
        nodes.append(
            f'[[nodes]]\nid = "n{number}"\ncluster = "c1"\ncpu_cores = 64\nram_gb = 512\nstorage = "local"\n{gpus}'
        )
    copies = ", ".join(f"n{number} = {number + 1000}" for number in range(1000))
    tail = f'[[templates]]\nvmid = 9000\nname = "U"\ndisk_gb = 20\nauth_methods = ["ssh_key"]\ncopies = {{ {copies} }}'
    assert len(lines(database, "\n".join([head, *nodes, tail]))) == 3 + 1000 + 8000 + 1 + 1000 + 1
