"""Changes that would break living VMs are refused, with the VMs named, and nothing is changed."""

# ruff: noqa: E501 (tables read best with one case a line)

import pytest
from sample_catalog import SAMPLE, Tenant, apply_text, changed, without
from sqlalchemy import select, text, update

from orchestrator.catalog.apply import apply
from orchestrator.catalog.check import parse
from orchestrator.catalog.models import Cluster
from orchestrator.errors import ConfigurationError
from orchestrator.store.database import Database
from orchestrator.vms.models import Vm

POOL = 'pool = ["10.1.0.10-10.1.0.12"]'
LONE = '[[clusters]]\nid = "c2"\nendpoints = ["https://10.9.0.1:8006"]\ntoken_id = "a@pve!main"\ntoken = "env:X"\n\n'
TO_C2 = ('[[nodes]]\nid = "vm01"\ncluster = "c1"', LONE + '[[nodes]]\nid = "vm01"\ncluster = "c2"')


def refused(database: Database, catalog: str) -> list[str]:
    """The refusals of a catalog; it changed nothing."""
    with pytest.raises(ConfigurationError) as caught:
        apply_text(database, catalog)
    assert str(apply_text(database, SAMPLE)) == "nothing to change"
    return str(caught.value).splitlines()


def named(*vms: Vm, status: str = "running") -> str:
    return ", ".join(f"VM {vm.id} (VMID {vm.vmid}, {status})" for vm in vms)


@pytest.fixture
def running(guest: Tenant) -> Vm:
    """A running VM on vm01."""
    vm = guest.rents()
    guest.moves(vm, "starting", "running")
    return vm


WHILE_IT_RUNS = [
    (changed(('pve_name = "pve1"', 'pve_name = "pve9"')),
     "node vm01: pve_name pve1 → pve9 would break {vm}: wait until they are destroyed."),
    (changed(('pve_name = "pve1"', 'pve_name = "pve1"\nssh_port = 2222')),
     "node vm01: ssh_port 22 → 2222 would break {vm}: wait until they are destroyed."),
    (changed(TO_C2), "node vm01: cluster c1 → c2 would break {vm}: give the node another id."),
    (changed(('mapping = "gpu-a"\ntype = "5090"', 'mapping = "gpu-a"\ntype = "4090"')),
     "gpu gpu-a of node vm01: type 5090 → 4090 would break {vm}: give the new card another mapping."),
    (changed(("disk_gb = 20", 'disk_gb = 20\ndisk = "virtio0"')),
     "template 9000: disk scsi0 → virtio0 would break {vm}: list the new image under another vmid."),
    (changed(("vm01 = 9001\n", "")),
     "template 9000 on node vm01: is in use by {vm}: keep it in copies until they are destroyed."),
    (changed(('mode = "static"\n', ""), (f"{POOL}\n", ""), ('gateway = "10.1.0.1"\n', "")),
     "node vm01: addresses must stay static, in a subnet with 10.1.0.10, which {vm} of node vm01 holds."),
    (changed(('["10.1.0.0/24"]', '["10.1.0.0/29"]'), (POOL, 'pool = ["10.1.0.2"]')),
     "node vm01: addresses must stay static, in a subnet with 10.1.0.10, which {vm} of node vm01 holds."),
    (changed((POOL, 'pool = ["10.1.0.12"]'), ('gateway = "10.1.0.1"', 'gateway = "10.1.0.10"')),
     "node vm01: addresses must stay static, in a subnet with 10.1.0.10, which {vm} of node vm01 holds."),
    (changed((POOL, 'pool = ["10.1.0.12"]'),
             ('addresses.subnets = ["10.2.0.0/24"]',
              'addresses = { mode = "static", subnets = ["10.1.0.0/24"], pool = ["10.1.0.10"] }')),
     "node vm02: addresses.pool may not have 10.1.0.10, which {vm} of node vm01 holds."),
    (without('[[nodes]]\nid = "vm01"', changed(("vm01 = 9001", "vm11 = 9001"))).replace(
        '[[nodes]]\nid = "vm02"', '[[nodes]]\nid = "vm11"\npve_name = "pve1"\ncluster = "c1"\ncpu_cores = 4\nram_gb = 16\n'
        'storage = "local"\n[[nodes.gpus]]\nmapping = "gpu-a"\ntype = "5090"\n\n[[nodes]]\nid = "vm02"'),
     "node vm11: pve1 of cluster c1 is recorded as node vm01: list it under that id."),
    (without('[[nodes]]\nid = "vm01"', changed(("vm01 = 9001\n", ""), ('[[clusters]]\nid = "c1"', '[[clusters]]\nid = "c2"'),
             ('id = "vm02"\ncluster = "c1"', 'id = "vm12"\ncluster = "c2"'), ("vm02 = 9002", "vm12 = 9002"))),
     "cluster c2: is cluster c1, of {vm}: keep that id."),
]  # fmt: skip


@pytest.mark.parametrize(("catalog", "told"), WHILE_IT_RUNS)
def test_refused_while_it_runs(running, applied, catalog, told):
    assert refused(applied, catalog) == [told.format(vm=named(running))]


def test_all_refusals_are_told_at_once(running, applied):
    catalog = changed(
        ('pve_name = "pve1"', 'pve_name = "pve9"'), ("disk_gb = 20", 'disk_gb = 20\ndisk = "virtio0"')
    )
    assert [line.split(":")[0] for line in refused(applied, catalog)] == ["node vm01", "template 9000"]


@pytest.mark.parametrize(
    "catalog",
    [
        changed(("disk_gb = 20", 'disk_gb = 20\ndisk = "virtio0"')),
        changed(("vm01 = 9001\n", "")),
        changed(('["10.1.0.0/24"]', '["10.1.0.0/29"]'), (POOL, 'pool = ["10.1.0.2"]')),
        changed(('pve_name = "pve1"', 'pve_name = "pve9"')),
    ],
)
def test_allowed_once_it_is_destroyed(running, guest, applied, catalog):
    guest.gives_back(running)
    guest.moves(running, "stopping", "destroyed")
    assert apply_text(applied, catalog)


@pytest.mark.parametrize(
    "catalog",
    [
        changed((POOL, 'pool = ["10.1.0.12"]')),
        changed(('gateway = "10.1.0.1"', 'gateway = "10.1.0.2"')),
        changed(('["10.1.0.0/24"]', '["10.1.0.0/16"]')),
        changed((POOL, 'pool = ["10.1.0.12"]'), ('[[nodes]]\nid = "vm02"\ncluster = "c1"', LONE + '[[nodes]]\nid = "vm12"\ncluster = "c2"'),
                ('addresses.subnets = ["10.2.0.0/24"]',
                 'addresses = { mode = "static", subnets = ["10.1.0.0/24"], pool = ["10.1.0.10"] }'),
                ("vm02 = 9002", "vm12 = 9002")),
        changed(("vm01 = 9001", "vm01 = 9011")),
        changed(('"https://10.0.0.1:8006", ', "")),
        without('[[nodes]]\nid = "vm01"', changed(("vm01 = 9001\n", ""))),
    ],
)  # fmt: skip
def test_allowed_while_it_runs(running, applied, catalog):
    assert apply_text(applied, catalog)


def test_a_copy_stays_for_vms_that_failed_and_may_yet_be_destroyed(guest, applied):
    vm = guest.rents()
    guest.gives_back(vm)
    guest.moves(vm, "failed")
    assert refused(applied, changed(("vm01 = 9001\n", ""))) == [
        (
            f"template 9000 on node vm01: is in use by {named(vm, status='failed')}: "
            "keep it in copies until they are destroyed."
        )
    ]


@pytest.mark.parametrize("status", ["creating", "starting"])
def test_a_copy_does_not_move_while_a_vm_is_made_from_it(guest, applied, status):
    vm = guest.rents()
    if status != "creating":
        with applied.transaction() as tx:
            tx.execute(update(Vm).values(status=status))
    assert refused(applied, changed(("vm01 = 9001", "vm01 = 9011"))) == [
        (
            f"template 9000 on node vm01: VMID 9001 → 9011 would break {named(vm, status=status)}: "
            "apply again in a few minutes."
        )
    ]


def test_a_gpu_with_a_past_keeps_its_type(running, guest, applied):
    guest.gives_back(running)
    guest.moves(running, "stopping", "destroyed")
    (told,) = refused(
        applied, changed(('mapping = "gpu-a"\ntype = "5090"', 'mapping = "gpu-a"\ntype = "4090"'))
    )
    assert told.endswith("(VMID 100000, destroyed): give the new card another mapping.")


def test_a_node_with_a_past_keeps_its_cluster(running, guest, applied):
    guest.gives_back(running)
    guest.moves(running, "stopping", "destroyed")
    (told,) = refused(applied, changed(TO_C2))
    assert told.endswith("(VMID 100000, destroyed): give the node another id.")


def test_no_more_than_five_vms_are_named(guest, applied):
    for _ in range(7):
        vm = guest.rents(node="vm02", gpu_type="4090")
        guest.gives_back(vm)
    (told,) = refused(applied, changed(('id = "vm02"\n', 'id = "vm02"\nssh_port = 2222\n')))
    assert (told.count("VM "), told.count(", 2 more: ")) == (5, 1)


# Numbers 100000 to 100002 are given out. Each: first and last of the new range, and what it goes on with.
RANGES = [
    ((100_000, 100_002), 100_003),
    ((100_000, 500_000), 100_003),
    ((50_000, 199_999), 100_003),
    ((100_003, 199_999), 100_003),
    ((300_000, 399_999), 300_000),
    ((50_000, 99_999), 50_000),
    ((99_000, 100_001), None),
    ((100_000, 100_000), None),
    ((100_002, 100_002), 100_003),
]


@pytest.mark.parametrize(("bounds", "goes_on"), RANGES)
def test_vmid_ranges(guest, applied, bounds, goes_on):
    for _ in range(3):
        guest.gives_back(guest.rents(node="vm02", gpu_type="4090"))
    first, last = bounds
    catalog = changed(
        ("vmid_first = 100000", f"vmid_first = {first}"), ("vmid_last = 199999", f"vmid_last = {last}")
    )
    if goes_on is None:
        assert refused(applied, catalog) == [
            (
                f"cluster c1: VMIDs {first} to {last} are all given out, and none is given out twice: "
                "let vmid_last be at least 100003."
            )
        ]
        return
    apply_text(applied, catalog)
    with applied.transaction() as tx:
        assert tx.scalars(select(Cluster.vmid_next)).one() == goes_on


def test_a_range_that_was_left_goes_on_where_it_was(guest, applied):
    guest.gives_back(guest.rents(node="vm02", gpu_type="4090"))
    said = apply_text(applied, changed(("vmid_first = 100000", "vmid_first = 300000"), ("199999", "399999")))
    assert "cluster c1: vmid_next 100001 → 300000" in said.lines
    guest.gives_back(guest.rents(node="vm02", gpu_type="4090"))
    assert "cluster c1: vmid_next 300001 → 100001" in apply_text(applied, SAMPLE).lines
    assert guest.rents(node="vm02", gpu_type="4090").vmid == 100_001


def test_a_cluster_may_get_another_id_once_nobody_lives_in_it(applied):
    catalog = changed(
        ('[[clusters]]\nid = "c1"', '[[clusters]]\nid = "c2"'),
        ('id = "vm01"\ncluster = "c1"', 'id = "vm11"\ncluster = "c2"'),
        ('id = "vm02"\ncluster = "c1"', 'id = "vm12"\ncluster = "c2"'),
        ("vm01 = 9001", "vm11 = 9001"),
        ("vm02 = 9002", "vm12 = 9002"),
    )
    assert "cluster c2: added" in apply_text(applied, catalog).lines


def test_two_machines_may_not_swap_their_ids(applied):
    catalog = changed(
        ('pve_name = "pve1"', 'pve_name = "vm02"'), ('id = "vm02"\n', 'id = "vm02"\npve_name = "pve1"\n')
    )
    assert refused(applied, catalog) == [
        "node vm01: vm02 of cluster c1 is recorded as node vm02: list it under that id.",
        "node vm02: pve1 of cluster c1 is recorded as node vm01: list it under that id.",
    ]


def test_a_new_vm_waits_until_the_catalog_is_applied(guest, applied):
    """Intake takes the node's row first, which applying holds: no VM slips in between check and change."""
    with applied.transaction() as tx:
        apply(tx, parse(SAMPLE, "catalog.toml"))
        with applied.transaction() as other:
            locked = text("SELECT id FROM nodes WHERE id = 'vm01' FOR NO KEY UPDATE SKIP LOCKED")
            assert other.execute(locked).all() == []
