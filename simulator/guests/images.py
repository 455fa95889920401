"""What the simulated cloud images are."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Image:
    """An operating system as its guest agent and its shell report it."""

    id: str
    name: str
    version: str
    version_id: str
    default_user: str
    kernel: str

    @property
    def pretty_name(self) -> str:
        return f"{self.name} {self.version}"


IMAGES = {
    "ubuntu-22.04": Image(
        "ubuntu", "Ubuntu", "22.04.5 LTS (Jammy Jellyfish)", "22.04", "ubuntu", "5.15.0-161-generic"
    ),
    "ubuntu-24.04": Image(
        "ubuntu", "Ubuntu", "24.04.4 LTS (Noble Numbat)", "24.04", "ubuntu", "6.8.0-101-generic"
    ),
    "debian-12": Image("debian", "Debian GNU/Linux", "12 (bookworm)", "12", "debian", "6.1.0-50-cloud-amd64"),
    "debian-13": Image("debian", "Debian GNU/Linux", "13 (trixie)", "13", "debian", "6.12.60-cloud-amd64"),
}
