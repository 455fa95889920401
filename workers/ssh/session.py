"""An SSH connection up to the point where the server has proven which host key it holds. No credential is
sent here.
"""

import base64
import hashlib
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import paramiko

from orchestrator.errors import SshError, SshNotYet

# paramiko logs each refused or broken connection as an error with a traceback; here that is an ordinary "not
# yet".
_CHANNEL = "workers.ssh.paramiko"
logging.getLogger(_CHANNEL).setLevel(logging.CRITICAL)


class Deadline:
    """The seconds left of a budget that connect, key exchange and login share."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds, never 0 or less: a socket would take 0 for "do not wait"."""
        return max(0.001, self._ends - time.monotonic())


@dataclass(frozen=True)
class Session:
    """An open connection and the host key that the server has proven to hold."""

    transport: paramiko.Transport
    host_key: paramiko.PKey

    @property
    def fingerprint(self) -> str:
        """The host key as OpenSSH shows it: `SHA256:` and 43 characters."""
        digest = hashlib.sha256(self.host_key.asbytes()).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@contextmanager
def connected(address: str, port: int, deadline: Deadline) -> Iterator[Session]:
    """A session after the key exchange; always closed, with its thread and socket.

    Raises SshNotYet for whatever a booting guest may still do, SshError when the server shares no algorithm
    with us.
    """
    try:
        sock = socket.create_connection((address, port), timeout=deadline.left())
    except OSError as err:
        raise SshNotYet(f"{address} port {port}: no connection: {err}") from err
    transport = paramiko.Transport(sock)
    try:
        transport.set_log_channel(_CHANNEL)
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = deadline.left()
        try:
            transport.start_client(timeout=deadline.left())
            # When its time is up start_client returns as if all were well; this then raises.
            host_key = transport.get_remote_server_key()
        except paramiko.ssh_exception.IncompatiblePeer as err:
            raise SshError(f"{address} port {port}: no SSH algorithm in common: {err}") from err
        except (paramiko.SSHException, EOFError, OSError) as err:
            raise SshNotYet(f"{address} port {port}: no SSH handshake: {_said(err)}") from err
        yield Session(transport, host_key)
    finally:
        transport.close()


def _said(err: Exception) -> str:
    return " ".join(str(err).split())[:200] or type(err).__name__
