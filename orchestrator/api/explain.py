"""What a VM waits for, in one sentence for its owner."""

from orchestrator.api.vm_reads import UnderWay
from orchestrator.vms.models import Vm

PARKED = {
    "capacity": "{step} waits until {count} {gpu_type} GPUs are free on node {node}",
    "node": "{step} waits until node {node} answers",
    "operator": "{step} waits for an operator of node {node}",
}
LEASED = "{step} is under way on node {node}"
DUE = "{step} waits for a worker of node {node}"
LATER = "{step} is tried again in a while on node {node}"


def waits_for(vm: Vm, work: UnderWay) -> str:
    """The sentence; figures and times stand beside it."""
    operation = work.operation
    sentence = PARKED.get(operation.parked_for or "")
    if sentence is None:
        sentence = LEASED if work.leased else DUE if work.due else LATER
    return sentence.format(step=operation.step, count=vm.gpu_count, gpu_type=vm.gpu_type, node=vm.node_id)
