"""The catalog file as an operator writes it: its tables and fields (docs/catalog.md describes each)."""

from collections.abc import Iterator
from ipaddress import IPv4Address, ip_network
from itertools import chain
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from orchestrator.catalog import fields

AuthMethod = Literal["ssh_key", "password"]
DEFAULT_VMIDS = (100_000, 199_999_999)


class Table(BaseModel):
    """A table of the file. Unknown fields are refused; values are never converted to another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Discounts(Table):
    """Discount on the on-demand rate, in percent, by the months of a reservation."""

    month_1: fields.Percent = Field(alias="1")
    month_3: fields.Percent = Field(alias="3")
    month_6: fields.Percent = Field(alias="6")


class Prices(Table):
    """Prices that hold for all GPU types. Amounts in `currency`."""

    currency: fields.Currency
    storage_gb_hour: fields.MoneyOrNone
    deposit_percent: fields.Percent
    cancellation_percent: fields.Percent
    discounts: Discounts


class GpuType(Table):
    """A model of GPU; rates per GPU and hour."""

    id: fields.Name
    name: fields.Line
    vram_gb: fields.Count
    hourly_rate: fields.Money
    interruptible_hourly_rate: fields.Money


class Tls(Table):
    """What a cluster's certificate must look like; without it, the system's CAs decide."""

    ca_file: fields.Line | None = None
    fingerprint: fields.Fingerprint | None = None


class Cluster(Table):
    """A PVE cluster (or lone host) and the API token with which it is used."""

    id: fields.Name
    endpoints: list[fields.Endpoint] = Field(min_length=1)
    token_id: fields.TokenId
    token: fields.TokenSource
    tls: Tls = Tls()
    pool: fields.Pool | None = None
    vmid_first: fields.Vmid = DEFAULT_VMIDS[0]
    vmid_last: fields.Vmid = DEFAULT_VMIDS[1]


class Addresses(Table):
    """Where a node's guests get their addresses from."""

    mode: Literal["dhcp", "static"] = "dhcp"
    subnets: list[fields.Subnet] = []
    pool: list[fields.PoolEntry] = []
    gateway: fields.Gateway | None = None

    @property
    def prefix_length(self) -> int | None:
        """Of the one subnet of a static pool."""
        return ip_network(self.subnets[0]).prefixlen if self.mode == "static" else None

    def members(self) -> Iterator[IPv4Address]:
        """All addresses of the pool, in the file's order."""
        return chain.from_iterable(map(fields.addresses_in, self.pool))


class Gpu(Table):
    """One passthrough device and where it sits."""

    mapping: fields.Mapping
    type: fields.Name
    numa_node: Annotated[int, Field(ge=0, le=255)] = 0
    pcie_root: fields.Line = "0"


class Node(Table):
    """A Proxmox host with GPUs. RAM in GiB, as PVE counts it."""

    id: fields.NodeId
    cluster: fields.Name
    pve_name: fields.PveName | None = None
    cpu_model: fields.Line | None = None
    pcie_gen: fields.Line | None = None
    cpu_cores: fields.Count
    ram_gb: fields.Count
    reserved_cores: fields.CountOrNone = 2
    reserved_ram_gb: fields.CountOrNone = 8
    storage: fields.Storage
    full_clone: bool = False
    bridge: fields.Bridge = "vmbr0"
    ssh_port: fields.Port = 22
    addresses: Addresses = Addresses()
    gpus: list[Gpu] = Field(min_length=1)

    @property
    def host(self) -> str:
        """The name of the node in PVE."""
        return self.pve_name or self.id


class Copy(Table):
    """Where a template lies for a node: its VMID there, and the PVE node that holds it if it is another."""

    vmid: fields.Vmid
    pve_node: fields.PveName | None = None


def _short_form(value: object) -> object:
    return {"vmid": value} if isinstance(value, int) else value


class Template(Table):
    """A bootable image, by its public VMID. Without `copies` it lies under that VMID on every node."""

    vmid: fields.Vmid
    name: fields.Line
    description: fields.Prose = ""
    disk: fields.Disk = "scsi0"
    disk_gb: fields.Count
    login_user: fields.LoginUser = "ubuntu"
    auth_methods: list[AuthMethod] = Field(min_length=1)
    copies: dict[str, Annotated[Copy, BeforeValidator(_short_form)]] | None = Field(None, min_length=1)


class Document(Table):
    """The whole file."""

    prices: Prices
    gpu_types: list[GpuType] = Field(min_length=1)
    clusters: list[Cluster] = Field(min_length=1)
    nodes: list[Node] = Field(min_length=1)
    templates: list[Template] = Field(min_length=1)

    def copies_of(self, template: Template) -> dict[str, Copy]:
        """The copies of a template by node id, each with its PVE node. Unknown nodes are left out."""
        places = template.copies or {node.id: Copy(vmid=template.vmid) for node in self.nodes}
        return {
            node.id: Copy(vmid=places[node.id].vmid, pve_node=places[node.id].pve_node or node.host)
            for node in self.nodes
            if node.id in places
        }
