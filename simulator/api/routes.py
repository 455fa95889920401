"""The table of all endpoints, and the search in it."""

from urllib.parse import unquote

from simulator.api import absent, access, cluster, mappings, nodes, pools, storage, tasks
from simulator.api.call import Endpoint
from simulator.api.qemu import (
    agent,
    clone,
    cloudinit,
    config,
    create,
    destroy,
    disks,
    listing,
    power,
    snapshots,
)
from simulator.schema import formats
from simulator.schema.parameters import Parameter, integer, need, pattern, text

ENDPOINTS: tuple[Endpoint, ...] = (
    *absent.ENDPOINTS,
    *access.ENDPOINTS,
    *cluster.ENDPOINTS,
    *mappings.ENDPOINTS,
    *nodes.ENDPOINTS,
    *pools.ENDPOINTS,
    *storage.ENDPOINTS,
    *tasks.ENDPOINTS,
    *agent.ENDPOINTS,
    *cloudinit.ENDPOINTS,
    *clone.ENDPOINTS,
    *config.ENDPOINTS,
    *create.ENDPOINTS,
    *destroy.ENDPOINTS,
    *disks.ENDPOINTS,
    *listing.ENDPOINTS,
    *power.ENDPOINTS,
    *snapshots.ENDPOINTS,
)

PATH_PARAMETERS: dict[str, Parameter] = {
    "node": need(text(formats.node_name)),
    "vmid": need(integer(100, 999_999_999, formats.vmid)),
    "upid": need(text()),
    "storage": need(text(formats.storage_id)),
    "volume": need(text()),
    "poolid": need(text(formats.pool_id)),
    "id": need(text(formats.config_id)),
    "userid": need(text(formats.user_id, max_length=64)),
    "tokenid": need(pattern(r"[A-Za-z][A-Za-z0-9.\-_]+")),
    "roleid": need(text(formats.role_id)),
    "snapname": need(text(formats.config_id, max_length=40)),
}
"""What may stand in a path's braces."""


class _Branch:
    def __init__(self) -> None:
        self.named: dict[str, _Branch] = {}
        self.wild: tuple[str, _Branch] | None = None
        self.methods: dict[str, Endpoint] = {}


class Router:
    """The endpoints as a tree."""

    def __init__(self, endpoints: tuple[Endpoint, ...] = ENDPOINTS) -> None:
        self._root = _Branch()
        for endpoint in endpoints:
            branch = self._root
            for part in endpoint.path.strip("/").split("/"):
                branch = self._grow(branch, part)
            branch.methods[endpoint.method] = endpoint

    @staticmethod
    def _grow(branch: _Branch, part: str) -> _Branch:
        if part.startswith("{"):
            if branch.wild is None:
                branch.wild = part.strip("{}"), _Branch()
            return branch.wild[1]
        return branch.named.setdefault(part, _Branch())

    def find(self, method: str, path: str) -> tuple[Endpoint, dict[str, str]] | None:
        """The endpoint of a path, and what stood in its braces."""
        branch = self._root
        values: dict[str, str] = {}
        for raw in path.split("/"):
            if not raw:
                continue
            part = unquote(raw)
            if part in branch.named:
                branch = branch.named[part]
            elif branch.wild is not None:
                name, branch = branch.wild
                values[name] = part
            else:
                return None
        endpoint = branch.methods.get(method)
        return (endpoint, values) if endpoint else None
