"""Which privilege each changed option of a VM asks for."""

from simulator.access.directory import Identity
from simulator.api.call import Rights
from simulator.errors import PveError
from simulator.schema.properties import parse_pairs
from simulator.schema.vm_options import OPTION_BY_NAME, ROOT, is_drive

CONFIG_PRIVILEGES = tuple(
    f"VM.Config.{what}"
    for what in ("Disk", "CDROM", "CPU", "Memory", "Network", "HWType", "Options", "Cloudinit")
)


def check_option(who: Identity, rights: Rights, vmid: int, option: str, values: tuple[str, ...]) -> None:
    """Refuse a change of one option; `values` are the old and the new one, as far as there are any."""
    if who.is_root:
        return
    if option.startswith("hostpci"):
        _check_passthrough(rights, vmid, option, values)
        return
    needed = OPTION_BY_NAME[option].privilege if option in OPTION_BY_NAME else "VM.Config.Options"
    if needed == ROOT or (option.startswith("serial") and any(value != "socket" for value in values)):
        raise PveError(f"only root can set '{option}' config")
    if is_drive(option) and any("media=cdrom" in value and "cloudinit" not in value for value in values):
        needed = "VM.Config.CDROM"
    rights.require(f"/vms/{vmid}", *needed.split("|"), any_of="|" in needed)
    if is_drive(option):
        _check_storage(rights, values)
    if option.startswith("net") and option[3:].isdigit():
        check_bridges(rights, values)


def _check_passthrough(rights: Rights, vmid: int, option: str, values: tuple[str, ...]) -> None:
    for value in values:
        device = parse_pairs(value, "host")
        if "mapping" not in device and "host" in device:
            raise PveError(f"only root can set '{option}' config for non-mapped devices")
    rights.require(f"/vms/{vmid}", "VM.Config.HWType")
    for value in values:
        device = parse_pairs(value, "host")
        if "mapping" in device:
            rights.require(f"/mapping/pci/{device['mapping']}", "Mapping.Use")


def _check_storage(rights: Rights, values: tuple[str, ...]) -> None:
    for value in values:
        storage, colon, _ = value.split(",")[0].partition(":")
        if colon:
            rights.require(f"/storage/{storage}", "Datastore.AllocateSpace")


def check_bridges(rights: Rights, cards: tuple[str, ...]) -> None:
    """Every bridge that a VM is plugged into."""
    for card in cards:
        bridge = parse_pairs(card, "model").get("bridge")
        if bridge:
            rights.require(f"/sdn/zones/localnetwork/{bridge}", "SDN.Use")
