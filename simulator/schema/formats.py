"""Named string formats. Each check raises ValueError with the text that PVE gives."""

import ipaddress
import re
from collections.abc import Callable

Format = Callable[[str], None]

_DNS_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9\-]*[a-zA-Z0-9])?"


def matching(pattern: str, problem: str) -> Format:
    """A format that is one regular expression; `{}` in the problem stands for the value."""
    compiled = re.compile(pattern)

    def check(value: str) -> None:
        if not compiled.fullmatch(value):
            raise ValueError(problem.format(value) + "\n")

    return check


def list_of(item: Format, separators: str = r"[,;\s\0]+") -> Format:
    """A format for lists written into one string."""

    def check(value: str) -> None:
        for part in re.split(separators, value):
            if part:
                item(part)

    return check


def _ip_version(version: int, problem: str) -> Format:
    def check(value: str) -> None:
        try:
            if ipaddress.ip_address(value).version == version:
                return
        except ValueError:
            pass
        raise ValueError(problem + "\n")

    return check


def _ip_config(version: int, words: frozenset[str]) -> Format:
    def check(value: str) -> None:
        if value in words:
            return
        try:
            if "/" in value and ipaddress.ip_interface(value).version == version:
                return
        except ValueError:
            pass
        raise ValueError(f"value does not look like a valid ipv{version} network configuration\n")

    return check


def _urlencoded(value: str) -> None:
    if not re.fullmatch(r"[-%a-zA-Z0-9_.!~*'()]*", value):
        raise ValueError(f"invalid urlencoded string: {value}\n")


def split_tags(value: str) -> list[str]:
    """PVE's reading of a tag list: any of its separators, no empty tags."""
    return [tag for tag in re.split(r"[,;\s\0]+", value) if tag]


vmid = matching(r"[1-9][0-9]{2,8}", "value does not look like a valid VM ID")
dns_name = matching(rf"(?:{_DNS_LABEL}\.)*{_DNS_LABEL}", "value does not look like a valid DNS name")
node_name = matching(_DNS_LABEL, "value does not look like a valid node name")
storage_id = matching(r"(?i:[a-z][a-z0-9\-_.]*[a-z0-9])", "storage ID '{}' contains illegal characters")
config_id = matching(r"(?i:[a-z][a-z0-9_-]+)", "invalid configuration ID '{}'")
config_id_list = list_of(config_id)
pool_id = matching(r"[A-Za-z0-9.\-_]+(?:/[A-Za-z0-9.\-_]+){0,2}", "value '{}' is not a valid pool name")
role_id = matching(r"[A-Za-z0-9.\-_]+", "value '{}' does not look like a valid role name")
user_id = matching(r"[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+", "value '{}' does not look like a valid user name")
user_list = list_of(user_id)
token_list = list_of(
    matching(
        r"[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+![A-Za-z][A-Za-z0-9.\-_]+", "value '{}' is not a valid token ID"
    )
)
urlencoded: Format = _urlencoded
tag_list = list_of(matching(r"(?i:[a-z0-9_][a-z0-9_\-+.]*)", "invalid characters in tag"))
ipv4_config = _ip_config(4, frozenset({"dhcp"}))
ipv6_config = _ip_config(6, frozenset({"dhcp", "auto"}))
ipv4_address = _ip_version(4, "value does not look like a valid IPv4 address")
ipv6_address = _ip_version(6, "value does not look like a valid IPv6 address")
mac_address = matching(
    r"(?i:[0-9a-f][02468ace](?::[0-9a-f]{2}){5})", "value does not look like a valid unicast MAC address"
)
bridge_id = matching(r"[-_.\w]+", "invalid bridge name '{}'")
disk_size = matching(r"\d+(?:\.\d+)?[KMGT]?", "value does not look like a valid disk size: {}")
volume_id = matching(
    r"(?:none|cdrom|(?:[a-zA-Z][\w.\-]*[a-zA-Z0-9]):\S+|/\S+)", "unable to parse volume ID '{}'"
)
