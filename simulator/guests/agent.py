"""What the guest agent answers."""

from collections.abc import Callable
from typing import Any

from simulator.errors import PveError
from simulator.faults.injector import Place
from simulator.guests import passwords, shell
from simulator.guests.cloudinit import mac_of
from simulator.guests.guest import Guest
from simulator.guests.images import IMAGES
from simulator.world import World

GENERIC_COMMANDS = (
    *("fsfreeze-freeze", "fsfreeze-status", "fsfreeze-thaw", "fstrim", "get-fsinfo", "get-host-name"),
    *("get-memory-block-info", "get-memory-blocks", "get-osinfo", "get-time", "get-timezone", "get-users"),
    *("get-vcpus", "info", "network-get-interfaces", "ping", "shutdown", "suspend-disk", "suspend-hybrid"),
    "suspend-ram",
)
OTHER_COMMANDS = ("exec", "exec-status", "file-read", "file-write", "set-user-password")


def _statistics() -> dict[str, int]:
    return {f"{way}-{what}": 0 for way in ("rx", "tx") for what in ("bytes", "packets", "errs", "dropped")}


def _interface(name: str, mac: str, addresses: list[tuple[str, int]]) -> dict[str, Any]:
    interface: dict[str, Any] = {"name": name, "hardware-address": mac, "statistics": _statistics()}
    if addresses:
        interface["ip-addresses"] = [
            {
                "ip-address": address,
                "ip-address-type": "ipv6" if ":" in address else "ipv4",
                "prefix": prefix,
            }
            for address, prefix in addresses
        ]
    return interface


def _interfaces(guest: Guest, world: World, place: Place) -> list[dict[str, Any]]:
    """lo first, then one interface per network card; the first one has the guest's address."""
    lines = [_interface("lo", "00:00:00:00:00:00", [("127.0.0.1", 8), ("::1", 128)])]
    if world.faults.strikes("wrong_interface_first", place):
        lines.append(_interface("docker0", "02:42:ac:11:00:01", [("172.17.0.1", 16)]))
    running = guest.vm.running
    for number, card in enumerate(guest.vm.networks().values()):
        mac = mac_of(card).lower()
        addresses = []
        if number == 0 and running and running.address and guest.address_known:
            addresses = [(running.address, 8 if running.address.startswith("127.") else 24)]
        lines.append(_interface(f"eth{number}", mac, [*addresses, (link_local(mac), 64)]))
    return lines


def link_local(mac: str) -> str:
    """The IPv6 address that every card gives itself."""
    parts = [int(part, 16) for part in mac.split(":")]
    parts[0] ^= 2
    groups = (*parts[:3], 0xFF, 0xFE, *parts[3:])
    words = [f"{groups[i] << 8 | groups[i + 1]:x}" for i in range(0, 8, 2)]
    return "fe80::" + ":".join(words)


def _os_info(guest: Guest, _world: World, _place: Place) -> dict[str, str]:
    image = IMAGES[guest.vm.disk.image]
    return {
        "id": image.id,
        "name": image.name,
        "pretty-name": image.pretty_name,
        "version": image.version,
        "version-id": image.version_id,
        "machine": "x86_64",
        "kernel-release": image.kernel,
        "kernel-version": "#1 SMP PREEMPT_DYNAMIC (simulated)",
    }


def _info(_guest: Guest, _world: World, _place: Place) -> dict[str, Any]:
    commands = [
        {"name": f"guest-{name}", "enabled": True, "success-response": True} for name in GENERIC_COMMANDS
    ]
    return {"version": "8.2.2", "supported_commands": commands}


def _vcpus(guest: Guest, _world: World, _place: Place) -> list[dict[str, Any]]:
    return [
        {"logical-id": number, "online": True, "can-offline": number > 0} for number in range(guest.vm.vcpus)
    ]


QUERIES: dict[str, Callable[[Guest, World, Place], Any]] = {
    "ping": lambda _guest, _world, _place: {},
    "network-get-interfaces": _interfaces,
    "get-osinfo": _os_info,
    "get-host-name": lambda guest, _world, _place: {"host-name": guest.vm.disk.hostname},
    "get-time": lambda _guest, world, _place: int(world.clock.now() * 1e9),
    "get-timezone": lambda _guest, _world, _place: {"offset": 0, "zone": "UTC"},
    "get-users": lambda _guest, _world, _place: [],
    "get-vcpus": _vcpus,
    "get-fsinfo": lambda _guest, _world, _place: [],
    "info": _info,
}
"""Commands whose answer stands in `result`."""


def can_execute(words: list[str]) -> bool:
    """Is there such a program in the guest?"""
    name = words[0].rsplit("/", 1)[-1] if words else ""
    return name in shell.COMMANDS or name in shell.WRAPPERS


def execute(guest: Guest, world: World, words: list[str]) -> int:
    """Run a command as root; returns its process id in the guest."""
    number = world.rng.randrange(600, 30_000)
    guest.finished[number] = shell.run_one(guest.session("root"), words)
    return number


def read_file(guest: Guest, path: str) -> str:
    """The content of a file of the guest."""
    content = shell.read_file(guest.vm, path)
    if content is None:
        raise PveError(f"Agent error: failed to open file '{path}' (mode: 'r'): No such file or directory")
    return content


def set_password(guest: Guest, user: str, password: str, *, crypted: bool) -> None:
    """Change a password inside the running guest."""
    known = guest.vm.disk.users.get(user)
    if known is None:
        raise PveError("Agent error: child process has failed to set user password")
    known.password_hash = password if crypted else passwords.stored(password)
