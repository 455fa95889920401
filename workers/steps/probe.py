"""Probe: find the VM's address and hear its SSH server. Only then it is `running`."""

from collections.abc import Callable

from orchestrator.errors import PveBug, PveConflict, PveTransient, SshNotYet
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Vm
from workers.outcomes import Done, Failed, Outcome
from workers.proxmox import VmConfig
from workers.ssh import ProbeResult, choose_address, probe, require_method
from workers.steps.ownership import require_ours
from workers.work import Work

DEADLINE_SECONDS = 900
"""From power-on to SSH. Several large BARs can hold up a guest's firmware for minutes."""
POLL_SECONDS = 2
ATTEMPT_SECONDS = 10


def probe_vm(work: Work) -> Outcome:
    """Wait for an address, then for SSH with the login that the user chose."""
    node, config = require_ours(work)
    pause = work.pause_until(DEADLINE_SECONDS, f"VM {work.job.vmid} on node {node}: waiting for SSH")
    while True:
        address = _address(work, node, config)
        heard = _listen(work, address) if address else None
        if address and heard:
            return Done(_changes(address, heard))
        if not work.pve.vm_status(node, work.job.vmid).running:
            return Failed(f"VM {work.job.vmid} switched itself off before SSH answered.")
        pause(POLL_SECONDS)


def _address(work: Work, node: str, config: VmConfig) -> str | None:
    """The static address, or what the guest agent tells of net0's card."""
    if work.job.static_address is not None:
        return work.job.static_address
    if config.net0_mac is None:
        raise PveBug(f"VM {work.job.vmid} has no network card net0.")
    try:
        seen = work.pve.guest_addresses(node, work.job.vmid, config.net0_mac)
    except (PveTransient, PveConflict):  # the agent is not there yet, or the VM is off: looked at next
        return None
    return choose_address(seen, work.job.place.subnets)


def _listen(work: Work, address: str) -> ProbeResult | None:
    login = work.job.login
    try:
        heard = probe(address, work.job.place.ssh_port, login.user, timeout_seconds=ATTEMPT_SECONDS)
        require_method(heard, login.method)
    except SshNotYet:
        return None
    return heard


def _changes(address: str, heard: ProbeResult) -> Callable[[Transaction, Vm], None]:
    def apply(tx: Transaction, vm: Vm) -> None:
        vm.ip_address = address
        vm.ssh_host_key_fingerprint = heard.fingerprint
        vm.failure_reason = None  # of an earlier start that was given up

    return apply
