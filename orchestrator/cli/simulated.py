"""A simulated Proxmox VE as a child process, and the catalog that describes it."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.embedded import Child, Supervisor, free_port
from orchestrator.embedded.child import Death

READY_SECONDS = 30
TOKEN_VARIABLE = "INNKEEPER_SIMULATED_TOKEN"  # noqa: S105 (the name of a variable)
GPU_TYPES = {
    "5090": ("NVIDIA GeForce RTX 5090", 32, "0.69", "0.29"),
    "4090": ("NVIDIA GeForce RTX 4090", 24, "0.44", "0.19"),
    "6000pro": ("NVIDIA RTX PRO 6000 Blackwell", 96, "1.49", "0.69"),
}
"""Name, GB of memory, and invented prices an hour: on demand and interruptible."""
TEMPLATES = {0: (100, "Ubuntu 22.04"), 1: (101, "Ubuntu 24.04")}
"""Public VMID and name of each node's first and second template."""


@dataclass
class Simulated:
    """`time_scale`: real seconds that a simulated second takes."""

    nodes: int
    gpus: int
    time_scale: float
    options: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    """What the simulator said when it was ready: endpoint, token, CA, nodes."""
    _supervisor: Supervisor | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """Settings for the parts of Innkeeper that go with this simulator."""
        return {
            TOKEN_VARIABLE: self.facts["token_secret"],
            "INNKEEPER_PACE": str(min(1.0, max(0.02, self.time_scale))),
        }

    def start(self, state_dir: Path) -> Path:
        """Start it and write its catalog; the catalog's path."""
        argv = [
            *(sys.executable, "-m", "simulator", "--json"),
            *("--nodes", str(self.nodes), "--gpus", str(self.gpus), "--time-scale", str(self.time_scale)),
            *_same_ports(state_dir / "simulator.ports"),
            *("--state", str(state_dir / "simulator.state")),
            *self.options,
        ]
        child = Child("simulator", argv, {"PYTHONUNBUFFERED": "1"})
        self._supervisor = Supervisor(state_dir, [child], on_death=self._on_death)
        self._supervisor.start()
        log = state_dir / "logs" / "simulator.log"
        self._supervisor.wait_ready("simulator", lambda: self._read_facts(log), READY_SECONDS)
        catalog = state_dir / "catalog.toml"
        catalog.write_text("\n".join(catalog_lines(self.facts)) + "\n")
        return catalog

    def check(self) -> None:
        """Start it again if it died."""
        if self._supervisor is not None:
            self._supervisor.check()

    def stop(self) -> None:
        """Stop it; its state stays."""
        if self._supervisor is not None:
            self._supervisor.stop()

    def _read_facts(self, log: Path) -> bool:
        for line in reversed(log.read_text(errors="replace").splitlines() if log.exists() else []):
            if line.startswith('{"url"'):
                self.facts = json.loads(line)
                return True
        return False

    def _on_death(self, death: Death) -> None:
        """It starts again by itself, on the same ports and with its state."""


def _same_ports(kept: Path) -> tuple[str, ...]:
    """Free ports, chosen once: VMs of an earlier run are still reached at theirs."""
    if not kept.exists():
        kept.write_text(f"{free_port()} {free_port()}")
    port, ssh_port = kept.read_text().split()
    return "--port", port, "--ssh-port", ssh_port


def catalog_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """The catalog of a simulator, in TOML, from what it says of itself."""
    simulated = facts["catalog"]
    yield from (
        "[prices]",
        'currency = "USD"',
        "storage_gb_hour = 0.0001",
        "deposit_percent = 25",
        "cancellation_percent = 25",
        "[prices.discounts]",
        "1 = 5",
        "3 = 10",
        "6 = 20",
    )
    models = {gpu["model"] for node in simulated["nodes"] for gpu in node["gpus"]}
    for model in sorted(models):
        name, vram_gb, rate, interruptible = GPU_TYPES[model]
        yield from (
            "[[gpu_types]]",
            f'id = "{model}"',
            f'name = "{name}"',
            f"vram_gb = {vram_gb}",
            f"hourly_rate = {rate}",
            f"interruptible_hourly_rate = {interruptible}",
        )
    yield from (
        "[[clusters]]",
        f'id = "{simulated["cluster"]}"',
        f'endpoints = ["{facts["url"]}"]',
        f'token_id = "{facts["token_id"]}"',
        f'token = "env:{TOKEN_VARIABLE}"',
        *([f'tls = {{ ca_file = "{facts["ca_path"]}" }}'] if facts.get("ca_path") else []),
        f'pool = "{simulated["pool"]}"',
    )
    for node in simulated["nodes"]:
        yield from _node_lines(node, simulated, facts["ssh_port"])
    for place, (vmid, name) in TEMPLATES.items():
        copies = ", ".join(f"{n['name']} = {n['templates'][place]['vmid']}" for n in simulated["nodes"])
        first = simulated["nodes"][0]["templates"][place]
        yield from (
            "[[templates]]",
            f"vmid = {vmid}",
            f'name = "{name}"',
            f"disk_gb = {first['disk_gib']}",
            f'login_user = "{first["default_user"]}"',
            'auth_methods = ["ssh_key", "password"]',
            f"copies = {{ {copies} }}",
        )


def _node_lines(node: Mapping[str, Any], simulated: Mapping[str, Any], ssh_port: int) -> Iterator[str]:
    yield from (
        "[[nodes]]",
        f'id = "{node["name"]}"',
        f'cluster = "{simulated["cluster"]}"',
        'cpu_model = "AMD EPYC 9354"',
        'pcie_gen = "5.0"',
        f"cpu_cores = {node['cores']}",
        f"ram_gb = {node['ram_gib']}",
        'storage = "local-zfs"',
        f"ssh_port = {ssh_port}",
        "[nodes.addresses]",
        f'subnets = ["{simulated["guest_network"]}"]',
    )
    for gpu in node["gpus"]:
        yield from (
            "[[nodes.gpus]]",
            f'mapping = "{gpu["mapping"]}"',
            f'type = "{gpu["model"]}"',
            f"numa_node = {gpu['numa_node']}",
            f'pcie_root = "{gpu["numa_node"]}"',
        )
