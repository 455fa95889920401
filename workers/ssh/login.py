"""A real login, as the VM's owner would do it: the last proof, used by the demo and the tests, never by the
probe.
"""

import io

import paramiko

from orchestrator.errors import SshAuthNotOffered, SshError, SshNotYet
from workers.ssh.session import Deadline, connected

_KEY_CLASSES: tuple[type[paramiko.PKey], ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


def log_in(
    address: str,
    port: int,
    username: str,
    *,
    password: str | None = None,
    private_key: str | None = None,
    expected_fingerprint: str,
    timeout_seconds: float,
) -> str:
    """Log in with the password or the private key (PEM text, no passphrase), and return what `hostname`
    prints.

    Raises SshError when the host key is not the expected one (before any credential is sent), or the
    credential is refused; SshAuthNotOffered when that way of logging in is not on offer; SshNotYet when the
    connection fails.
    """
    where = f"{address} port {port}"
    deadline = Deadline(timeout_seconds)
    key = None if private_key is None else _load(private_key)
    with connected(address, port, deadline) as session:
        found, transport = session.fingerprint, session.transport
        if found != expected_fingerprint:
            raise SshError(f"{where}: the host key is {found}, not {expected_fingerprint}; nothing was sent")
        transport.auth_timeout = deadline.left()
        try:
            if key:
                transport.auth_publickey(username, key)
            else:
                transport.auth_password(username, password or "")
            if not transport.is_authenticated():
                raise SshError(f"{where}: the server wants a second credential from {username}")
            return _output_of(transport, "hostname", deadline)
        except paramiko.BadAuthenticationType as err:
            raise SshAuthNotOffered(
                f"{where}: the server only offers {', '.join(err.allowed_types)}"
            ) from err
        except paramiko.AuthenticationException as err:
            raise SshError(f"{where}: the server refuses {username}'s credential") from err
        except (paramiko.SSHException, EOFError, OSError) as err:
            raise SshNotYet(f"{where}: broken off: {err}") from err


def _load(private_key: str) -> paramiko.PKey:
    for kind in _KEY_CLASSES:
        try:
            return kind.from_private_key(io.StringIO(private_key))
        except (paramiko.SSHException, ValueError):
            continue
    # Not the parsers' own words: they may quote the key.
    raise SshError("the private key is neither Ed25519, ECDSA nor RSA, or has a passphrase")


def _output_of(transport: paramiko.Transport, command: str, deadline: Deadline) -> str:
    with transport.open_session(timeout=deadline.left()) as channel:
        channel.settimeout(deadline.left())
        channel.exec_command(command)
        return channel.makefile("rb").read().decode(errors="replace").strip()
