"""MAC addresses of network cards."""

from simulator.schema.properties import write_pairs
from simulator.state.vms import Vm
from simulator.world import World


def network_text(world: World, card: dict[str, str]) -> str:
    """A card's property string, `virtio=<mac>,bridge=vmbr0`, with a new MAC when it has none."""
    parts = dict(card)
    model = parts.pop("model")
    mac = parts.pop("macaddr", None) or world.new_mac()
    return write_pairs({**parts, "model": f"{model}={mac.upper()}"}, "model")


def with_new_macs(world: World, config: dict[str, str]) -> dict[str, str]:
    """A configuration whose cards all have new addresses."""
    changed = dict(config)
    for option, card in Vm(0, "", config).networks().items():
        model = next((name for name, value in card.items() if ":" in value), card.get("model", "virtio"))
        rest = {name: value for name, value in card.items() if name not in (model, "model", "macaddr")}
        changed[option] = network_text(world, {**rest, "model": model})
    return changed
