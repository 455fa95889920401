"""PCI resource mappings: names for passthrough devices, with the hardware that each expects to find."""

import hashlib
from dataclasses import dataclass

from simulator.errors import PveError
from simulator.schema.properties import parse_pairs
from simulator.state.nodes import Node, PciDevice


@dataclass
class Mapping:
    """One mapping. Its entries are property strings as they were given."""

    id: str
    entries: list[str]
    description: str = ""
    mdev: bool = False
    live_migration_capable: bool = False

    def of_node(self, node: str) -> list[dict[str, str]]:
        """The entries of a node; several are alternatives."""
        parsed = [parse_pairs(entry) for entry in self.entries]
        return [entry for entry in parsed if entry.get("node") == node]


def mappings_digest(mappings: dict[str, Mapping]) -> str:
    """SHA-1 of the mapping file; all mappings share it."""
    text = "".join(f"{m.id}\n{m.description}\n{chr(10).join(m.entries)}\n\n" for m in mappings.values())
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def mismatch(mapping: Mapping, entry: dict[str, str], node: Node) -> str | None:
    """What the hardware of a node has to say against an entry, in PVE's words, or None."""
    path = entry["path"].split(";")[0]
    if "." not in path:
        path += ".0"  # the whole device is judged by its first function
    functions = node.functions(path)
    if not functions:
        return f"pci device '{path}' not found"
    device = functions[0]
    found = {
        "id": f"{device.vendor[2:]}:{device.device[2:]}",
        "subsystem-id": f"{device.subsystem_vendor[2:]}:{device.subsystem_device[2:]}",
        "iommugroup": str(device.iommu_group) if device.iommu_group >= 0 else None,
    }
    for name, actual in found.items():
        expected = entry.get(name)
        if actual is not None and expected is None:
            return f"missing expected property '{name}' for device '{path}'"
        if actual is None and expected is not None:
            return f"unexpected property '{name}' for device '{path}'"
        if actual != expected:
            return f"'{name}' does not match for '{mapping.id}' ({actual} != {expected})"
    return None


def alternatives(mapping: Mapping | None, mapping_id: str, node: Node) -> list[list[PciDevice]]:
    """The devices that a mapping offers on a node, each as its functions; PVE's errors at a VM's start."""
    entries = mapping.of_node(node.name) if mapping else []
    if mapping is None or not entries:
        raise PveError(f"PCI device mapping not found for '{mapping_id}'")
    for entry in entries:
        if problem := mismatch(mapping, entry, node):
            raise PveError(f"PCI device mapping invalid (hardware probably changed): {problem}\n")
    return [
        [device for path in entry["path"].split(";") for device in node.functions(path)] for entry in entries
    ]
