"""Configure: the VM's size, GPUs, network and cloud-init, in one write; then its disk."""

from orchestrator.errors import PveAmbiguous, PveBug
from workers.job import Job
from workers.outcomes import Done
from workers.proxmox import VmConfig
from workers.steps import cards
from workers.steps.ownership import require_in_place
from workers.steps.shutdown import power_off
from workers.steps.tasks import Task, run_if_needed
from workers.work import Work

RESIZE_SECONDS = 600


def configure(work: Work) -> Done:
    """Write what is wanted, unless an earlier attempt did and nobody changed it since; then grow the disk.

    A VM that somebody started meanwhile is switched off first: a running one would keep the cards it has.
    """
    node, config = require_in_place(work)
    if work.pve.vm_status(node, work.job.vmid).running:
        power_off(work, node)
        node, config = require_in_place(work)
    if work.memo.get("configured") != config.digest:
        work.act(
            work.pve.configure,
            node,
            work.job.vmid,
            wanted(work.job, config),
            delete=cards.surplus(work.job, config),
            digest=config.digest,
        )
    _grow_disk(work, node, config)
    node, config = require_in_place(work)
    if cards.named(config) != work.job.mappings or config.cores != work.job.cpu_cores:
        raise PveAmbiguous(f"VM {work.job.vmid} does not have the configuration that was written.")
    work.remember(configured=config.digest)
    return Done()


def wanted(job: Job, config: VmConfig) -> dict[str, str | int | bool]:
    """The options of PVE that make the clone this VM. Sources: research on PVE 9.2's machine, cloud-init
    and passthrough options."""
    options: dict[str, str | int | bool] = {
        "cores": job.cpu_cores,
        "memory": job.ram_gb * 1024,
        "balloon": 0,  # passthrough pins all memory
        "onboot": False,  # a rebooted node must not take GPUs before it is reconciled
        "protection": False,
        "agent": "enabled=1",
        "tags": "innkeeper",  # overwrites what was copied from the template
        "net0": f"virtio={config.net0_mac},bridge={job.place.bridge}",
        "ipconfig0": _ipconfig(job),
        "ciupgrade": False,  # else the first boot upgrades packages and delays SSH by minutes
        "ciuser": job.login.user,
    }
    options |= cards.options(job, config)
    if job.login.public_key is not None:
        options["sshkeys"] = job.login.public_key
    if job.login.password_hash is not None:
        options["cipassword"] = job.login.password_hash
    return options


def _ipconfig(job: Job) -> str:
    if job.static_address is None:
        return "ip=dhcp"
    gateway = f",gw={job.place.gateway}" if job.place.gateway else ""
    return f"ip={job.static_address}/{job.place.prefix_length}{gateway}"


def _grow_disk(work: Work, node: str, config: VmConfig) -> None:
    disk, size = work.job.template.disk, work.job.storage_gb
    if disk not in config.disk_gib:
        raise PveBug(
            f"VM {work.job.vmid} on node {node} has lost its disk {disk}: somebody changed it there, "
            "and an operator has to attach the disk again."
        )
    if config.disk_gib[disk] >= size and work.memo.get(Task.RESIZE) is None:
        return
    result = run_if_needed(
        work,
        Task.RESIZE,
        node,
        lambda: work.pve.resize(node, work.job.vmid, disk, size),
        needed=lambda: work.pve.vm_config(node, work.job.vmid).disk_gib[disk] < size,
        deadline_seconds=RESIZE_SECONDS,
        what=f"Growing {disk} of VM {work.job.vmid} to {size} GiB",
    )
    if result is not None and not result.ok:
        raise result.error()
