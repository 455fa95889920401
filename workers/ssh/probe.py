"""Is there an SSH server at that address, with which host key, and how does it let people in?

The proof that a VM is of use to its owner, without any of the owner's credentials: connect, exchange keys,
and ask to log in with no credential at all (`none`, RFC 4252 section 5.2); the refusal lists the methods on
offer.
"""

import re
from dataclasses import dataclass
from typing import Literal

import paramiko

from orchestrator.errors import SshAuthNotOffered, SshNotYet
from workers.ssh.session import Deadline, connected

AuthMethod = Literal["ssh_key", "password"]

# RFC 4253 section 4.2: the identification line has at most 255 characters.
_BANNER_LENGTH = 255
_SATISFIED_BY = {
    "ssh_key": frozenset({"publickey"}),
    "password": frozenset({"password", "keyboard-interactive"}),
}


@dataclass(frozen=True)
class ProbeResult:
    """What an SSH server shows to anybody. `methods` are SSH's names; empty when it wants no credential at
    all.

    `fingerprint` is that of the host key, `SHA256:…`; `banner` the identification line, printable ASCII, at
    most 255 characters.
    """

    fingerprint: str
    key_type: str
    banner: str
    methods: tuple[str, ...]


def probe(address: str, port: int, username: str, *, timeout_seconds: float) -> ProbeResult:
    """Look at the server at that address; all together takes about `timeout_seconds` at most.

    Raises SshNotYet for whatever may still come while the guest boots: no route, refused, no banner, broken
    off. The host key is reported, not judged: nothing secret is sent.
    """
    deadline = Deadline(timeout_seconds)
    with connected(address, port, deadline) as session:
        return ProbeResult(
            fingerprint=session.fingerprint,
            key_type=session.host_key.get_name(),
            banner=re.sub(r"[^ -~]", "?", session.transport.remote_version)[:_BANNER_LENGTH],
            methods=_methods(session.transport, username, f"{address} port {port}", deadline),
        )


def _methods(transport: paramiko.Transport, username: str, where: str, deadline: Deadline) -> tuple[str, ...]:
    transport.auth_timeout = deadline.left()
    try:
        return tuple(transport.auth_none(username))
    except paramiko.BadAuthenticationType as refusal:
        return tuple(refusal.allowed_types)
    except (paramiko.SSHException, EOFError, OSError) as err:
        raise SshNotYet(f"{where}: broken off before the login methods were known: {err}") from err


def require_method(result: ProbeResult, auth_method: AuthMethod) -> None:
    """Raises SshAuthNotOffered unless the server offers what the user chose; keyboard-interactive asks for a
    password too.
    """
    if not _SATISFIED_BY[auth_method] & set(result.methods):
        offered = ", ".join(result.methods) or "a login without any credential"
        raise SshAuthNotOffered(
            f"the SSH server offers {offered}, which does not include {auth_method.replace('_', ' ')}: "
            "does the template allow it?"
        )
