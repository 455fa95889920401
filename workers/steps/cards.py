"""The GPUs of a VM as its configuration names them: each by its PVE resource mapping."""

from workers.job import Job
from workers.proxmox import VmConfig
from workers.proxmox.properties import parse_properties
from workers.work import Work


def named(config: VmConfig) -> dict[int, str | None]:
    """The mapping in each `hostpci` slot; None for a card that is named otherwise."""
    return {
        number: parse_properties(value, "host").get("mapping") for number, value in config.hostpci.items()
    }


def options(job: Job, config: VmConfig) -> dict[str, str]:
    """The `hostpci` options of the GPUs that the VM holds."""
    pcie = ",pcie=1" if (config.machine or "").startswith(("q35", "pc-q35")) else ""
    return {f"hostpci{number}": f"mapping={mapping}{pcie}" for number, mapping in job.mappings.items()}


def surplus(job: Job, config: VmConfig) -> list[str]:
    """The `hostpci` options of cards that it does not hold."""
    return [f"hostpci{number}" for number in config.hostpci if number not in job.mappings]


def put_right(work: Work, node: str, config: VmConfig) -> None:
    """Write the cards anew when somebody changed them: the VM, which is off, starts with its own alone."""
    job = work.job
    if named(config) != job.mappings:
        delete = surplus(job, config)
        work.act(
            work.pve.configure, node, job.vmid, options(job, config), delete=delete, digest=config.digest
        )
