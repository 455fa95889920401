"""Every fault by name: the moment at which it strikes, and what it does. One table for code, API and docs."""

from dataclasses import dataclass
from enum import StrEnum


class Moment(StrEnum):
    """Where in the life of a request or a VM a fault strikes."""

    EVENT = "event"
    """Something happens in the cluster just before a matching request is served."""
    REQUEST = "request"
    """A matching request is answered with the fault; nothing is done."""
    ANSWER = "answer"
    """A matching request is served; only its answer is lost or late."""
    TASK = "task"
    """A worker fails in its course."""
    START = "start"
    """QEMU does not come up."""
    GUEST = "guest"
    """The guest behaves badly; decided when it starts, or when it is asked."""


@dataclass(frozen=True)
class Kind:
    """One named fault."""

    moment: Moment
    what: str


CATALOGUE: dict[str, Kind] = {
    # Answers without the effect
    "unauthorized": Kind(Moment.REQUEST, "HTTP 401 with an empty body, as after the token was revoked"),
    "forbidden": Kind(Moment.REQUEST, "HTTP 403"),
    "bad_parameter": Kind(Moment.REQUEST, "HTTP 400 with an errors map"),
    "server_error": Kind(Moment.REQUEST, "HTTP 500 with `detail` as its text"),
    "unreachable": Kind(Moment.REQUEST, "HTTP 595 with an empty body: the node cannot be reached"),
    "proxy_timeout_before": Kind(Moment.REQUEST, "HTTP 596; the node never got the request"),
    "lost_response_before": Kind(Moment.REQUEST, "the connection is reset; the node never got the request"),
    "hang": Kind(Moment.REQUEST, "no answer for `seconds` (60), then the connection is closed"),
    # The effect without the answer
    "proxy_timeout_after": Kind(Moment.ANSWER, "HTTP 596, but it was done"),
    "lost_response_after": Kind(Moment.ANSWER, "the connection is reset, but it was done"),
    "slow_answer": Kind(Moment.ANSWER, "the answer comes `seconds` (6) later: past a client's 5 s"),
    "garbled_answer": Kind(Moment.ANSWER, "HTTP 200 with a page of HTML, but it was done"),
    # Events
    "node_down": Kind(Moment.EVENT, "the node loses power; it is back after `seconds` (never without)"),
    "node_reboot": Kind(Moment.EVENT, "the node restarts: tasks and VMs end, uptime and reservations reset"),
    "quorum_lost": Kind(Moment.EVENT, "the cluster has no majority for `seconds` (for good without)"),
    "daemon_restart": Kind(Moment.EVENT, "pvedaemon restarts: the node's workers get SIGTERM"),
    "qemu_killed": Kind(Moment.EVENT, "the VM's QEMU process dies"),
    "guest_poweroff": Kind(Moment.EVENT, "the guest shuts itself down"),
    "vm_moved": Kind(Moment.EVENT, "the VM's configuration moves to another node"),
    "lock_stuck": Kind(
        Moment.EVENT, "the VM's configuration carries `detail` (`clone`) as a lock that nobody holds"
    ),
    "clock_skew": Kind(Moment.EVENT, "the node's clock jumps by `seconds` (3600)"),
    "tasks_forgotten": Kind(Moment.EVENT, "the node forgets its finished tasks"),
    "token_revoked": Kind(
        Moment.EVENT, "all tokens of the configured user are gone for `seconds` (for good without)"
    ),
    # Workers
    "flock_timeout": Kind(Moment.TASK, "the VM's lock file cannot be had"),
    "storage_lock_timeout": Kind(Moment.TASK, "the storage's lock file cannot be had by a clone"),
    "vmid_taken": Kind(
        Moment.TASK, "a foreign VM appears under the clone's VMID on the same node, after the answer"
    ),
    "vmid_taken_elsewhere": Kind(Moment.TASK, "the same on another node"),
    "worker_killed": Kind(
        Moment.TASK,
        "SIGKILL: `unexpected status`; leftovers of clone and destroy stay, a started QEMU runs on",
    ),
    "storage_full": Kind(Moment.TASK, "the clone's volume cannot be allocated"),
    "storage_full_copy": Kind(Moment.TASK, "the storage runs full while a clone copies"),
    "disk_leaked": Kind(Moment.TASK, "destroy ends with WARNINGS and leaves a volume"),
    # Starts
    "qemu_exit": Kind(Moment.START, "QEMU exits with code 1; `detail` stands in the log"),
    "gpu_in_use": Kind(Moment.START, "a foreign VM runs with the first card"),
    "gpu_missing": Kind(Moment.START, "the first card has fallen off the bus, for good"),
    "gpu_reset_failed": Kind(
        Moment.START, "the first card does not reset: start hangs until its time-out; dead until reboot"
    ),
    "slow_start": Kind(Moment.START, "QEMU needs `seconds` (600) longer"),
    # Guests
    "agent_never": Kind(Moment.GUEST, "the guest agent never answers"),
    "agent_late": Kind(Moment.GUEST, "the guest agent answers `seconds` (300) later"),
    "agent_error": Kind(Moment.GUEST, "HTTP 200 with an error in `result`"),
    "agent_timeout": Kind(Moment.GUEST, "the agent command runs into its time-out"),
    "address_late": Kind(Moment.GUEST, "the agent knows no address of eth0 for `seconds` (60)"),
    "wrong_interface_first": Kind(Moment.GUEST, "a docker bridge and a link-local address stand first"),
    "ssh_never": Kind(Moment.GUEST, "nothing listens on the SSH port"),
    "ssh_late": Kind(Moment.GUEST, "SSH comes `seconds` (300) later"),
    "ssh_refuses_login": Kind(Moment.GUEST, "SSH answers, but no key or password is good"),
    "ssh_wrong_host": Kind(Moment.GUEST, "another host answers: a host key that is not the guest's"),
    "ignores_shutdown": Kind(Moment.GUEST, "the guest ignores the request to shut down"),
}
