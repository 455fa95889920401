"""What a cluster's access may look like."""

import pytest
from pve_stub import SECRET, access_to

from orchestrator.errors import ConfigurationError
from workers.proxmox import CallLimits, ClusterAccess

PIN = ":".join(["AB"] * 32)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://pve1:8006",
        "https://10.0.0.1:8006/",
        "https://[2001:db8::1]:8006",
        "http://localhost:8080",
        "https://pve1",
    ],
)
def test_an_endpoint_is_a_scheme_a_host_and_perhaps_a_port(endpoint: str) -> None:
    assert access_to(endpoint).endpoints == (endpoint,)


@pytest.mark.parametrize(
    "endpoint",
    [
        "pve1:8006",
        "ftp://pve1",
        "https://",
        "https://pve1:port",
        "https://pve1:0",
        "https://root:pw@pve1:8006",
        "https://pve1:8006/api2",
        "https://pve1:8006?a=b",
        "https://[::1",
    ],
)
def test_other_endpoints_are_refused(endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match="cluster lab: the endpoint must look like"):
        access_to(endpoint)


def test_a_cluster_without_endpoints_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no endpoint"):
        access_to()


@pytest.mark.parametrize(
    "token_id", ["root@pam", "root!name", "root@pam!", "a b@pve!x", "a@pve!x\n", "a@pve!x=y"]
)
def test_a_token_id_names_user_realm_and_token(token_id: str) -> None:
    with pytest.raises(ConfigurationError, match="user@realm!name"):
        ClusterAccess("lab", ("https://pve1",), token_id, SECRET)


def test_the_token_id_comes_apart() -> None:
    access = access_to("https://pve1")
    assert (access.token_user, access.token_name) == ("innkeeper@pve", "orch")


@pytest.mark.parametrize("secret", ["", "two words", "line\n", "schlüssel"])
def test_a_token_secret_fits_into_a_header(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="secret") as refused:
        ClusterAccess("lab", ("https://pve1",), "a@pve!orch", secret)
    assert not secret or secret not in str(refused.value)


def test_the_secret_is_not_shown() -> None:
    assert SECRET not in repr(access_to("https://pve1"))


@pytest.mark.parametrize("pin", [PIN, PIN.lower(), PIN.replace(":", "")])
def test_a_fingerprint_is_a_sha256(pin: str) -> None:
    assert access_to("https://pve1", fingerprint=pin).fingerprint == pin


@pytest.mark.parametrize("pin", ["", "AB:CD", PIN + ":AB", PIN.replace("A", "G")])
def test_other_fingerprints_are_refused(pin: str) -> None:
    with pytest.raises(ConfigurationError, match="SHA-256"):
        access_to("https://pve1", fingerprint=pin)


@pytest.mark.parametrize("in_flight", [0, 4])
def test_a_node_is_asked_no_more_at_once_than_it_has_workers(in_flight: int) -> None:
    with pytest.raises(ConfigurationError, match="in_flight_per_node must be 1 to 3"):
        CallLimits(in_flight_per_node=in_flight)


def test_at_least_one_clone_may_run() -> None:
    with pytest.raises(ConfigurationError, match="clones_per_storage"):
        CallLimits(clones_per_storage=0)
