"""What the simulated cards look like on the PCI bus and inside a guest."""

from dataclasses import dataclass

NVIDIA = "0x10de"


@dataclass(frozen=True)
class GpuModel:
    """PCI identity of function 0 and, where the card has one, of its audio function."""

    device: str
    device_name: str
    product: str
    subsystem: str
    pci_class: str = "0x030000"
    audio_device: str | None = None


GPU_MODELS = {
    "5090": GpuModel(
        "0x2b85", "GB202 [GeForce RTX 5090]", "NVIDIA GeForce RTX 5090", "0x2057", audio_device="0x22e8"
    ),
    "4090": GpuModel(
        "0x2684", "AD102 [GeForce RTX 4090]", "NVIDIA GeForce RTX 4090", "0x16f3", audio_device="0x22ba"
    ),
    "6000pro": GpuModel(
        "0x2bb1",
        "GB202GL [RTX PRO 6000 Blackwell Workstation Edition]",
        "NVIDIA RTX PRO 6000 Blackwell Workstation Edition",
        "0x204b",
        audio_device="0x22e8",
    ),
    "6000pro-server": GpuModel(
        "0x2bb5",
        "GB202GL [RTX PRO 6000 Blackwell Server Edition]",
        "NVIDIA RTX PRO 6000 Blackwell Server Edition",
        "0x204e",
        pci_class="0x030200",
    ),
    "6000ada": GpuModel(
        "0x26b1",
        "AD102GL [RTX 6000 Ada Generation]",
        "NVIDIA RTX 6000 Ada Generation",
        "0x16a1",
        audio_device="0x22ba",
    ),
    "h100": GpuModel(
        "0x2330", "GH100 [H100 SXM5 80GB]", "NVIDIA H100 80GB HBM3", "0x16c1", pci_class="0x030200"
    ),
}
"""By the short name that a catalog uses."""
