"""The watch, on the hypervisor's side: one listing of a cluster, and a close look at what is doubtful."""

import logging
import random

from orchestrator.errors import PveError, PveTransient
from orchestrator.fleet import remedies, watch
from orchestrator.fleet.facts import Tracked
from orchestrator.fleet.nodes import Patience
from orchestrator.fleet.sightings import Snapshot
from orchestrator.settings import Settings
from orchestrator.store.database import Database
from workers.gateways import Gateways
from workers.proof import prove
from workers.proxmox import Gateway

log = logging.getLogger(__name__)
CLOSE_LOOKS = 50
"""VMs that are looked at closely in one tick; others have their turn in the next, whoever stays doubtful."""


def observe(database: Database, gateways: Gateways, settings: Settings, cluster_id: str) -> str:
    """One tick for one cluster. Of one that answers, but not as it should, nothing is concluded."""
    pve = gateways.of(cluster_id)
    patience = Patience(
        misses=settings.offline_misses,
        seconds=settings.offline_seconds,
        broadcast_seconds=settings.broadcast_seconds,
    )
    try:
        snapshot = _listing(pve)
    except PveError as error:
        log.error("the watch can read nothing: %s", error)  # noqa: TRY400 (an operator's matter)
        return "not read"
    suspects = watch.apply(database, cluster_id, snapshot, patience)
    random.shuffle(suspects)
    settled = [_settle(database, pve, vm) for vm in suspects[:CLOSE_LOOKS]]
    seen = "no answer" if snapshot is None else f"{len(snapshot.nodes)} nodes, {len(snapshot.guests)} VMs"
    return "; ".join([seen, *settled])


def _listing(pve: Gateway) -> Snapshot | None:
    try:
        return pve.resources()
    except PveTransient as error:
        log.warning("the watch finds no answer: %s", error)
        return None


def _settle(database: Database, pve: Gateway, vm: Tracked) -> str:
    try:
        proof = prove(pve, vm_id=vm.vm_id, vmid=vm.vmid, node=vm.node)
    except PveError as error:
        log.info("VM %s could not be looked at closely: %s", vm.vm_id, error)
        return f"VM {vm.vmid}: not settled"
    remedy = remedies.settle(database, vm, proof)
    log.info("VM %s (VMID %s on %s): %s: %s", vm.vm_id, vm.vmid, vm.node_id, proof.value, remedy.value)
    return f"VM {vm.vmid}: {remedy.name.lower()}"
