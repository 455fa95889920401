"""The removal of VMs."""

from simulator.api.call import Call, Endpoint
from simulator.api.qemu.common import SKIPLOCK, VM, skips_lock, vm_rule
from simulator.machines.destroy import assert_destroyable, destroy
from simulator.schema.parameters import boolean
from simulator.tasks.task import Job


def _destroy(call: Call) -> str:
    skiplock = skips_lock(call)
    call.world.cluster.assert_quorum()
    assert_destroyable(call.vm)
    node, vmid, args = call.node, call.vmid, call.args

    async def work(job: Job) -> None:
        await destroy(
            call.world,
            node,
            vmid,
            job,
            purge=args.get("purge", False),
            unreferenced=args.get("destroy-unreferenced-disks", False),
            skiplock=skiplock,
        )

    return call.start_task("qmdestroy", vmid, work)


ENDPOINTS = (
    Endpoint(
        "DELETE",
        VM,
        _destroy,
        {"purge": boolean(), "destroy-unreferenced-disks": boolean(), **SKIPLOCK},
        vm_rule("VM.Allocate"),
    ),
)
