"""The sweep, on the hypervisor's side: read what a cluster has, and have it compared with the store."""

import logging
from dataclasses import replace

from orchestrator.errors import PveError
from orchestrator.fleet import inventory
from orchestrator.fleet.comparison import Found, Kind
from orchestrator.fleet.differences import differences
from orchestrator.fleet.sweep import carry_out
from orchestrator.settings import Settings
from orchestrator.store.database import Database
from workers.cluster_read import is_being_cloned, read
from workers.gateways import Gateways

log = logging.getLogger(__name__)
MAY_BE_CLONED = (Kind.STUCK_CLONE, Kind.LEFTOVER_VM)


def sweep(database: Database, gateways: Gateways, settings: Settings, cluster_id: str) -> str:
    """One sweep of one cluster. From what could not be read, nothing is concluded."""
    pve = gateways.of(cluster_id)
    with database.transaction() as tx:
        plan = inventory.plan(tx, cluster_id)
    try:
        seen = read(pve, plan)
    except PveError as error:
        log.warning("the sweep found no answer: %s", error)
        return "not read"
    with database.transaction() as tx:
        store = inventory.load(
            tx,
            cluster_id,
            vmids=seen.configs.keys() | seen.in_use.keys() | {vmid for _, _, vmid in seen.volumes},
            markers={config.marker for config in seen.configs.values() if config.marker is not None},
            grace_seconds=settings.sweep_grace_seconds,
        )
    decided = differences(store, seen)
    suspects = {each.vmid for each in decided if isinstance(each, Found) and each.kind in MAY_BE_CLONED}
    cloning = {vmid for vmid in suspects if vmid is not None and is_being_cloned(pve, plan, vmid)}
    if cloning:
        decided = differences(store, replace(seen, cloning=frozenset(cloning)))
    done = carry_out(database, cluster_id, decided, unread=seen.unread)
    return ", ".join(f"{count} × {kind}" for kind, count in sorted(done.items())) or "no difference"
