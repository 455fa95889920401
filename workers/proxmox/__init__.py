"""The gateway to Proxmox VE: the only user of proxmoxer."""

from workers.proxmox.access import ClusterAccess
from workers.proxmox.gateway import Gateway
from workers.proxmox.limits import CallLimits
from workers.proxmox.model import TaskState, VmConfig, VmStatus
from workers.proxmox.tasks import PollCurve, TaskResult, wait_for_task

__all__ = [
    "CallLimits",
    "ClusterAccess",
    "Gateway",
    "PollCurve",
    "TaskResult",
    "TaskState",
    "VmConfig",
    "VmStatus",
    "wait_for_task",
]
