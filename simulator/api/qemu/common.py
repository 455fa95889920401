"""What the VM endpoints share."""

from simulator.access.directory import Identity
from simulator.access.rules import Privilege, any_on, on
from simulator.api.call import Call
from simulator.errors import bad_parameters
from simulator.schema.parameters import Parameter, boolean

LIST = "/nodes/{node}/qemu"
VM = "/nodes/{node}/qemu/{vmid}"
SKIPLOCK: dict[str, Parameter] = {"skiplock": boolean()}


def vm_rule(*names: str) -> Privilege:
    """All these privileges on the VM."""
    return on("/vms/{vmid}", *names)


def any_vm_rule(*names: str) -> Privilege:
    """One of these privileges on the VM."""
    return any_on("/vms/{vmid}", *names)


def skips_lock(call: Call) -> bool:
    """Is the lock to be ignored? Only root may ask for that, and no token is root."""
    return root_option(call.who, call.args, "skiplock")


def root_option(who: Identity, args: dict[str, object], option: str) -> bool:
    """The value of an option that is closed to everybody but root."""
    if option in args and not who.is_root:
        raise bad_parameters({option: "Only root may use this option."})
    return bool(args.get(option))
