"""Clones: what PVE checks before it answers with a UPID."""

from simulator.access.rules import AllOf, OneOf, on
from simulator.api.call import Call, Endpoint
from simulator.api.qemu.common import VM, vm_rule
from simulator.api.qemu.permissions import check_bridges
from simulator.errors import PveError, bad_parameters, denied
from simulator.machines.clone import CloneRequest, assert_free, clone
from simulator.machines.guard import check_lock
from simulator.schema import formats
from simulator.schema.parameters import boolean, choice, integer, need, text
from simulator.state.vms import Vm


def _clone(call: Call) -> str:
    cluster, args = call.world.cluster, call.args
    cluster.assert_quorum()
    if "pool" in args and args["pool"] not in cluster.pools:
        raise denied(f"pool '{args['pool']}' does not exist")
    _check_storage(call)
    if args.get("target", call.node.name) not in cluster.nodes:
        raise PveError(f"no such cluster node '{args['target']}'")
    source = cluster.vms.get(call.vmid)
    if source is None or source.node != call.node.name:
        raise PveError(f"unable to find configuration file for VM {call.vmid} on node '{call.node.name}'")
    check_lock(source)
    if "snapname" in args and args["snapname"] not in source.snapshots:
        raise PveError(f"snapshot '{args['snapname']}' does not exist")
    wish = _wish(call, source)
    assert_free(call.world, call.node, wish.newid)
    _check_drives(call, source, wish)
    _check_devices(call, source)
    node, source_id = call.node, source.vmid
    return call.start_task("qmclone", source_id, lambda job: clone(call.world, node, source_id, wish, job))


def _wish(call: Call, source: Vm) -> CloneRequest:
    args = call.args
    return CloneRequest(
        newid=args["newid"],
        full=args.get("full", not source.is_template),
        name=args.get("name"),
        description=args.get("description"),
        pool=args.get("pool"),
        storage=args.get("storage"),
        image_format=args.get("format"),
        target=args.get("target"),
        snapname=args.get("snapname"),
        bwlimit=args.get("bwlimit"),
    )


def _check_storage(call: Call) -> None:
    if "storage" not in call.args:
        return
    storage = call.world.cluster.storage(call.args["storage"])
    if "images" not in storage.content:
        raise bad_parameters({"storage": f"storage '{storage.name}' does not support vm images"})


def _check_drives(call: Call, source: Vm, wish: CloneRequest) -> None:
    for option, drive in source.drives().items():
        volid = drive["file"]
        if ":" not in volid or drive.get("media") == "cdrom":
            continue
        if not wish.full:
            for name, value in (("storage", wish.storage), ("format", wish.image_format)):
                if value:
                    raise PveError(f"parameter '{name}' not allowed for linked clones")
            if not source.is_template:
                raise PveError(f"Linked clone feature is not supported for '{volid}' ({option})")
        call.rights.require(f"/storage/{wish.storage or volid.split(':')[0]}", "Datastore.AllocateSpace")


def _check_devices(call: Call, source: Vm) -> None:
    cards = tuple(value for option, value in source.config.items() if option in source.networks())
    if not call.who.is_root:
        check_bridges(call.rights, cards)
    for option, device in source.passthrough().items():
        if "mapping" in device:
            call.rights.require(f"/mapping/pci/{device['mapping']}", "Mapping.Use")
        elif not call.who.is_root:
            raise PveError(f"only root can set '{option}' config for non-mapped devices")


ENDPOINTS = (
    Endpoint(
        "POST",
        f"{VM}/clone",
        _clone,
        {
            "newid": need(integer(100, 999_999_999, formats.vmid)),
            "name": text(formats.dns_name),
            "description": text(),
            "pool": text(formats.pool_id),
            "snapname": text(formats.config_id, max_length=40),
            "storage": text(formats.storage_id),
            "format": choice("raw", "qcow2", "vmdk"),
            "full": boolean(),
            "target": text(formats.node_name),
            "bwlimit": integer(0),
        },
        AllOf(
            (
                vm_rule("VM.Clone"),
                OneOf(
                    (
                        (on("/vms/{newid}", "VM.Allocate"), None),
                        (on("/pool/{pool}", "VM.Allocate"), "pool"),
                    )
                ),
            )
        ),
    ),
)
