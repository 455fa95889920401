"""Disk sizes, and what storages can do with disks."""

from typing import Any

from simulator.api.call import Call, Endpoint
from simulator.api.qemu.common import SKIPLOCK, VM, skips_lock, vm_rule
from simulator.machines.resize import resize
from simulator.schema import formats
from simulator.schema.parameters import choice, need, pattern, text
from simulator.schema.vm_options import DISK_NAMES
from simulator.tasks.task import Job


def _resize(call: Call) -> str:
    skiplock = skips_lock(call)
    node, vmid, args = call.node, call.vmid, call.args

    async def work(job: Job) -> None:
        await resize(
            call.world,
            node,
            vmid,
            job,
            disk=args["disk"],
            size=args["size"],
            expected=args.get("digest"),
            skiplock=skiplock,
        )

    return call.start_task("resize", vmid, work)


def _feature(call: Call) -> dict[str, Any]:
    vm = call.vm
    feature = call.args["feature"]
    possible = feature != "clone" or vm.is_template
    cluster = call.world.cluster
    shared = all(
        cluster.storages[drive["file"].split(":")[0]].shared
        for drive in vm.drives().values()
        if drive["file"].split(":")[0] in cluster.storages
    )
    nodes = list(cluster.nodes) if shared else [vm.node]
    return {"hasFeature": int(possible), "nodes": nodes if possible else []}


ENDPOINTS = (
    Endpoint(
        "PUT",
        f"{VM}/resize",
        _resize,
        {
            "disk": need(choice(*DISK_NAMES)),
            "size": need(pattern(r"\+?\d+(\.\d+)?[KMGT]?")),
            "digest": text(max_length=40),
            **SKIPLOCK,
        },
        vm_rule("VM.Config.Disk"),
    ),
    Endpoint(
        "GET",
        f"{VM}/feature",
        _feature,
        {
            "feature": need(choice("snapshot", "clone", "copy")),
            "snapname": text(formats.config_id, max_length=40),
        },
        vm_rule("VM.Audit"),
    ),
)
