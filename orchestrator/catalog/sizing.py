"""How much of a node goes with its GPUs."""

from dataclasses import dataclass
from typing import Protocol


class Sized(Protocol):
    """What a node has, and what its host keeps; RAM in GiB."""

    @property
    def cpu_cores(self) -> int: ...
    @property
    def ram_gb(self) -> int: ...
    @property
    def reserved_cores(self) -> int: ...
    @property
    def reserved_ram_gb(self) -> int: ...


@dataclass(frozen=True)
class Share:
    """Cores and RAM (GiB) of one VM."""

    cpu_cores: int
    ram_gb: int


def share(node: Sized, *, gpu_count: int, gpus_in_all: int) -> Share:
    """The part of `node` for `gpu_count` of its `gpus_in_all` GPUs, of what the host does not keep.

    In proportion, rounded down so that all shares together fit, but at least 1 of each. Raises ValueError for
    more GPUs than there are.
    """
    if not 1 <= gpu_count <= gpus_in_all:
        raise ValueError(f"{gpu_count} of {gpus_in_all} GPUs is no share of a node")
    return Share(
        cpu_cores=max(1, (node.cpu_cores - node.reserved_cores) * gpu_count // gpus_in_all),
        ram_gb=max(1, (node.ram_gb - node.reserved_ram_gb) * gpu_count // gpus_in_all),
    )
