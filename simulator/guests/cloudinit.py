"""The cloud-init image that PVE makes at each start, and what cloud-init in the guest does with it."""

import hashlib
import ipaddress
from urllib.parse import unquote

from simulator.guests.images import IMAGES
from simulator.guests.keys import new_host_key
from simulator.schema.properties import parse_pairs
from simulator.schema.vm_options import is_cloudinit
from simulator.state.vms import GuestUser, Vm


def has_drive(vm: Vm) -> bool:
    """Does the VM have a cloud-init drive?"""
    return any("cloudinit" in drive["file"] for drive in vm.drives().values())


def image_options(vm: Vm) -> dict[str, str]:
    """The options that the image is made from."""
    networks = vm.networks()
    return {
        option: value
        for option, value in vm.config.items()
        if is_cloudinit(option) or option == "name" or option in networks
    }


def keys_of(config: dict[str, str]) -> list[str]:
    """The public keys of an `sshkeys` option."""
    lines = unquote(config.get("sshkeys", "")).splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def hostname(options: dict[str, str]) -> str:
    """The guest's name: the VM's, up to the first dot."""
    return options.get("name", "localhost").split(".")[0]


def user_data(options: dict[str, str]) -> str:
    """The user-data document."""
    name = hostname(options)
    lines = [
        "#cloud-config",
        f"hostname: {name}",
        "manage_etc_hosts: true",
        f"fqdn: {options.get('name', name)}",
    ]
    if "ciuser" in options:
        lines.append(f"user: {options['ciuser']}")
        if options["ciuser"] == "root":
            lines.append("disable_root: False")
    if "cipassword" in options:
        lines.append(f"password: {options['cipassword']}")
    if keys := keys_of(options):
        lines += ["ssh_authorized_keys:", *(f"  - {key}" for key in keys)]
    lines += ["chpasswd:", "  expire: False"]
    if options.get("ciuser") != "root":
        lines += ["users:", "  - default"]
    if options.get("ciupgrade", "1") == "1":
        lines.append("package_upgrade: true")
    return "\n".join(lines) + "\n"


def network_data(options: dict[str, str]) -> str:
    """The network configuration, version 1."""
    lines = ["version: 1", "config:"]
    for number, (option, card) in enumerate(Vm(0, "", options).networks().items()):
        addresses = parse_pairs(options.get(f"ipconfig{option.removeprefix('net')}", ""))
        lines += [
            "    - type: physical",
            f"      name: eth{number}",
            f"      mac_address: '{mac_of(card).lower()}'",
            "      subnets:",
            *_subnet(addresses),
        ]
    servers = options.get("nameserver", "").split()
    lines += ["    - type: nameserver", "      address:", *(f"      - '{server}'" for server in servers)]
    if "searchdomain" in options:
        lines += ["      search:", f"      - '{options['searchdomain']}'"]
    return "\n".join(lines) + "\n"


def _subnet(addresses: dict[str, str]) -> list[str]:
    if addresses.get("ip", "dhcp") == "dhcp":
        return ["      - type: dhcp4"]
    interface = ipaddress.ip_interface(addresses["ip"])
    lines = [
        "      - type: static",
        f"        address: '{interface.ip}'",
        f"        netmask: '{interface.netmask}'",
    ]
    return lines + ([f"        gateway: '{addresses['gw']}'"] if "gw" in addresses else [])


def meta_data(options: dict[str, str]) -> str:
    """The metadata: only the instance id."""
    return f"instance-id: {instance_id(options)}\n"


def instance_id(options: dict[str, str]) -> str:
    """SHA-1 of user data and network data: any change of them is a new instance."""
    documents = user_data(options) + network_data(options)
    return hashlib.sha1(documents.encode(), usedforsecurity=False).hexdigest()


def mac_of(card: dict[str, str]) -> str:
    """The MAC address of a network card's property string."""
    return next((value for key, value in card.items() if key == "macaddr" or ":" in value), "")


def boot(vm: Vm) -> None:
    """What cloud-init in the guest does on boot with the image of the last start.

    Nothing, unless the instance is a new one. Like the real one it adds keys to a user's authorized keys
    and never takes any away.
    """
    disk, options = vm.disk, vm.iso
    if has_drive(vm) and options and disk.instance_id != instance_id(options):
        disk.instance_id = instance_id(options)
        disk.hostname = hostname(options)
        disk.host_key = new_host_key()
        name = options.get("ciuser") or IMAGES[disk.image].default_user
        user = disk.users.setdefault(name, GuestUser())
        user.password_hash = options.get("cipassword", user.password_hash)
        user.keys += [key for key in keys_of(options) if key not in user.keys]
    if not disk.host_key:
        disk.host_key = new_host_key()
