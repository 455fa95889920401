"""The gateways of a worker process: one per PVE cluster, built when first needed."""

import os
import threading

from sqlalchemy import select

from orchestrator.catalog.models import Cluster
from orchestrator.settings import Settings, read_secret
from orchestrator.store.database import Database
from workers.proxmox import CallLimits, ClusterAccess, Gateway


class Gateways:
    """Finds the gateway of a cluster. A change of its row (endpoints, token, TLS) builds a new one."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._limits = CallLimits(
            changes_seconds=settings.pve_change_seconds,
            in_flight_per_node=settings.pve_calls_per_node,
            clones_per_storage=settings.pve_clones_per_storage,
        )
        self._gateways: dict[ClusterAccess, Gateway] = {}
        self._lock = threading.Lock()

    @property
    def change_seconds(self) -> float:
        """The longest that a change may take: waiting for a slot, connecting, and its answer."""
        connects = max((len(access.endpoints) for access in list(self._gateways)), default=1)
        return 2 * self._limits.changes_seconds + connects * self._limits.connect_seconds

    def of(self, cluster_id: str) -> Gateway:
        """The gateway of a cluster. Raises ConfigurationError when its token is not to be found."""
        with self._database.transaction() as tx:
            cluster = tx.scalars(select(Cluster).where(Cluster.id == cluster_id)).one()
        access = ClusterAccess(
            id=cluster.id,
            endpoints=tuple(cluster.endpoints),
            token_id=cluster.token_id,
            token_secret=read_secret(cluster.token_source, dict(os.environ)),
            ca_file=cluster.ca_file,
            fingerprint=cluster.fingerprint,
        )
        with self._lock:
            if access not in self._gateways:
                self._gateways[access] = Gateway(access, self._limits)
            return self._gateways[access]

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for gateway in self._gateways.values():
                gateway.close()
            self._gateways.clear()
