"""Which addresses of a guest are used."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.ssh import address_allowed, choose_address


@pytest.mark.parametrize(
    ("address", "subnets", "allowed"),
    [
        ("10.0.0.5", (), True),
        ("203.0.113.7", (), True),
        ("2001:db8::5", (), True),
        ("127.0.0.1", (), False),
        ("::1", (), False),
        ("169.254.1.2", (), False),
        ("fe80::1", (), False),
        ("fe80::1%eth0", (), False),
        ("224.0.0.1", (), False),
        ("0.0.0.0", (), False),
        ("::", (), False),
        ("not an address", (), False),
        ("", ("10.0.0.0/8",), False),
        ("10.0.0.5", ("10.0.0.0/8",), True),
        ("192.168.0.5", ("10.0.0.0/8", "192.168.0.0/24"), True),
        ("192.168.1.5", ("10.0.0.0/8", "192.168.0.0/24"), False),
        ("127.44.0.9", ("127.44.0.0/16",), True),
        ("2001:db8::5", ("10.0.0.0/8",), False),
        ("2001:db8::5", ("2001:db8::/64",), True),
    ],
)
def test_an_address_is_allowed_by_subnet_or_if_others_could_reach_it(
    address: str, subnets: tuple[str, ...], allowed: bool
) -> None:
    assert address_allowed(address, subnets) is allowed


@pytest.mark.parametrize(
    ("addresses", "subnets", "chosen"),
    [
        ((), (), None),
        (("127.0.0.1", "fe80::1"), (), None),
        (("127.0.0.1", "192.0.2.1", "10.0.0.5"), (), "192.0.2.1"),
        (("192.0.2.1", "10.0.0.5", "10.0.0.6"), ("10.0.0.0/8",), "10.0.0.5"),
        (("192.0.2.1",), ("10.0.0.0/8",), None),
    ],
)
def test_the_first_allowed_address_is_chosen(
    addresses: tuple[str, ...], subnets: tuple[str, ...], chosen: str | None
) -> None:
    assert choose_address(addresses, subnets) == chosen


@given(st.lists(st.ip_addresses().map(str)), st.sampled_from([(), ("10.0.0.0/8",), ("::/0", "0.0.0.0/0")]))
def test_a_chosen_address_is_always_an_allowed_one_of_the_list(
    addresses: list[str], subnets: tuple[str, ...]
) -> None:
    chosen = choose_address(addresses, subnets)
    assert chosen is None or (chosen in addresses and address_allowed(chosen, subnets))


def test_a_bad_subnet_is_not_overlooked() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.5/8"):
        address_allowed("10.0.0.1", ("10.0.0.5/8",))
