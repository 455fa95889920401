"""New VMs and templates."""

from simulator.api.call import Call, Endpoint
from simulator.api.qemu.common import LIST, VM, vm_rule
from simulator.api.qemu.config import CONTROL, check_hookscript, check_keys
from simulator.api.qemu.permissions import check_option
from simulator.errors import PveError, denied
from simulator.machines.create import assert_unused, create
from simulator.machines.disks import allocation
from simulator.machines.start import start
from simulator.machines.template import assert_convertible, make_template
from simulator.schema import formats
from simulator.schema.parameters import boolean, choice, integer, need, text
from simulator.schema.properties import parse_pairs
from simulator.schema.vm_options import DISK_NAMES, OPTION_PARAMETERS, is_drive
from simulator.tasks.task import Job

_CREATION = frozenset(
    {"pool", "ha-managed", "unique", "start", "archive", "live-restore", "bwlimit", "storage"}
)
"""Parameters of the creation that are not options of the VM."""


def _create(call: Call) -> str:
    vmid, args = call.vmid, call.args
    pool = args.get("pool")
    call.world.cluster.assert_quorum()
    if pool is not None and pool not in call.world.cluster.pools:
        raise denied(f"pool '{pool}' does not exist")
    if pool is not None:
        call.rights.join(vmid, pool)
    if not call.rights.has(f"/vms/{vmid}", "VM.Allocate"):
        raise denied()
    values = {name: value for name, value in call.written.items() if name not in CONTROL | _CREATION}
    check_keys(values)
    check_hookscript(values)
    for option, value in values.items():
        check_option(call.who, call.rights, vmid, option, (value,))
        _check_storage(call, option, value)
    assert_unused(call.world, vmid)
    node = call.node

    async def work(job: Job) -> None:
        await create(call.world, node, vmid, values, pool, job)
        if args.get("start"):
            await start(call.world, node, vmid, job)

    return call.start_task("qmcreate", vmid, work)


def _check_storage(call: Call, option: str, value: str) -> None:
    if not is_drive(option):
        return
    request = allocation(parse_pairs(value, "file")["file"])
    if request is None:
        return
    storage = call.world.cluster.storage(request[0])
    if "images" not in storage.content:
        raise PveError(f"storage '{storage.name}' does not support content-type 'images'")


def _make_template(call: Call) -> str:
    vmid, node = call.vmid, call.node
    assert_convertible(call.vm)
    return call.start_task("qmtemplate", vmid, lambda job: make_template(call.world, node, vmid, job))


ENDPOINTS = (
    Endpoint(
        "POST",
        LIST,
        _create,
        {
            **OPTION_PARAMETERS,
            "vmid": need(integer(100, 999_999_999, formats.vmid)),
            "pool": text(formats.pool_id),
            "start": boolean(),
            "ha-managed": boolean(),
            "force": boolean(requires="archive"),
            "unique": boolean(requires="archive"),
            "archive": text(max_length=255),
            "live-restore": boolean(),
            "bwlimit": integer(0),
            "storage": text(formats.storage_id),
            "import-working-storage": text(formats.storage_id),
        },
    ),
    Endpoint("POST", f"{VM}/template", _make_template, {"disk": choice(*DISK_NAMES)}, vm_rule("VM.Allocate")),
)
