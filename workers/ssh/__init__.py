"""The SSH probe: proof that a guest is reachable and lets its owner in."""

from workers.ssh.address import address_allowed, choose_address
from workers.ssh.login import log_in
from workers.ssh.probe import AuthMethod, ProbeResult, probe, require_method

__all__ = [
    "AuthMethod",
    "ProbeResult",
    "address_allowed",
    "choose_address",
    "log_in",
    "probe",
    "require_method",
]
