"""The cluster that the demo, the tests and the benchmarks run on."""

from dataclasses import replace
from typing import Any

from simulator.config import SimConfig, SimGpu, SimNode, SimTemplate

GPU_OF_NODE = ("5090", "4090", "6000pro")
"""Card models by node, repeated when there are more nodes."""

NUMA_NODES = 2
MOST_NODES = 1000
MOST_GPUS = 16
"""PVE has sixteen hostpci slots."""


def demo_config(
    nodes: int = 3, gpus_per_node: int = 8, cores: int = 64, ram_gib: int = 512, **settings: Any
) -> SimConfig:
    """A cluster of `vm01`, `vm02`, … with one card model and two Ubuntu templates per node.

    Other settings are those of `SimConfig`: `time_scale`, `seed`, `port`, `ssh_port`, `tls`, …
    """
    if not 1 <= nodes <= MOST_NODES:
        raise ValueError(f"between 1 and {MOST_NODES} nodes, not {nodes}")
    if not 0 <= gpus_per_node <= MOST_GPUS:
        raise ValueError(f"at most {MOST_GPUS} GPUs per node, not {gpus_per_node}")
    return replace(
        SimConfig(
            nodes=tuple(_node(number, gpus_per_node, cores, ram_gib) for number in range(1, nodes + 1))
        ),
        **settings,
    )


def _node(number: int, gpus: int, cores: int, ram_gib: int) -> SimNode:
    name = f"vm{number:02}"
    model = GPU_OF_NODE[(number - 1) % len(GPU_OF_NODE)]
    first_template = int(f"9{number}00")
    return SimNode(
        name=name,
        address=f"10.64.{number // 250}.{number % 250 + 1}",
        cores=cores,
        ram_gib=ram_gib,
        gpus=tuple(_gpu(name, model, slot, gpus) for slot in range(gpus)),
        templates=(
            SimTemplate(first_template, f"ubuntu-22-04-{name}", "ubuntu-22.04"),
            SimTemplate(first_template + 1, f"ubuntu-24-04-{name}", "ubuntu-24.04"),
        ),
    )


def _gpu(node: str, model: str, slot: int, gpus: int) -> SimGpu:
    per_numa_node = max(1, gpus // NUMA_NODES)
    numa_node = min(slot // per_numa_node, NUMA_NODES - 1)
    # Buses of the second socket begin at 0x81, as on common two-socket boards.
    bus = 0x01 + 0x10 * slot if numa_node == 0 else 0x81 + 0x10 * (slot - per_numa_node)
    return SimGpu(model, f"0000:{bus:02x}:00", 14 + slot, numa_node, f"gpu-{node}-{slot}")
