"""What the catalog offers."""

import pytest
from sample_catalog import SAMPLE, apply_text, changed, without

from orchestrator.catalog import reads
from orchestrator.errors import NotReady


def test_everything_that_is_listed_is_offered(applied):
    with applied.transaction() as tx:
        assert [node.id for node in reads.nodes(tx)] == ["vm01", "vm02"]
        assert [gpu_type.id for gpu_type in reads.gpu_types(tx)] == ["4090", "5090"]
        assert reads.gpu_counts(tx) == {("vm01", "5090"): 2, ("vm02", "4090"): 1}
        assert [(one.template.vmid, one.nodes) for one in reads.templates(tx)] == [(9000, ("vm01", "vm02"))]
        node, template = reads.node(tx, "vm01"), reads.template_on(tx, 9000, "vm01")
        assert node is not None
        assert node.pve_name == "pve1"
        assert template is not None
        assert template.name == "Ubuntu"
        assert reads.price_list(tx).currency == "EUR"


def test_what_is_retired_or_unknown_is_not_offered(applied):
    smaller = without('[[nodes]]\nid = "vm02"', without('[[gpu_types]]\nid = "4090"'))
    smaller = changed(
        ("vmid = 9000", "vmid = 9100"), ("vm01 = 9001\nvm02 = 9002", "vm01 = 9100"), catalog=smaller
    )
    apply_text(applied, smaller)
    with applied.transaction() as tx:
        assert [node.id for node in reads.nodes(tx)] == ["vm01"]
        assert [gpu_type.id for gpu_type in reads.gpu_types(tx)] == ["5090"]
        assert reads.gpu_counts(tx) == {("vm01", "5090"): 2}
        assert [(one.template.vmid, one.nodes) for one in reads.templates(tx)] == [(9100, ("vm01",))]
        assert [reads.node(tx, node_id) for node_id in ("vm02", "vm99")] == [None, None]
        for vmid, node_id in ((9000, "vm01"), (9000, "vm02"), (9100, "vm02"), (9999, "vm01")):
            assert reads.template_on(tx, vmid, node_id) is None


def test_a_template_without_nodes_is_still_listed(applied):
    more = (
        '[[templates]]\nvmid = 9100\nname = "D"\ndisk_gb = 9\nauth_methods = ["ssh_key"]\ncopies.vm02 = 9100'
    )
    apply_text(applied, f"{SAMPLE}\n{more}")
    one_node = without('[[nodes]]\nid = "vm02"', changed(("vm02 = 9002\n", "")))
    apply_text(applied, f"{one_node}\n" + more.replace("vm02", "vm01"))
    with applied.transaction() as tx:
        assert [(one.template.vmid, one.nodes) for one in reads.templates(tx)] == [
            (9000, ("vm01",)), (9100, ("vm01",)),
        ]  # fmt: skip


def test_before_the_first_application(database):
    with database.transaction() as tx:
        assert reads.nodes(tx) == reads.gpu_types(tx) == reads.templates(tx) == []
        with pytest.raises(NotReady, match="`innkeeper catalog apply`"):
            reads.price_list(tx)
