"""The SSH server of one guest."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

import asyncssh

from simulator.guests import shell
from simulator.guests.keys import new_host_key
from simulator.guests.passwords import is_right
from simulator.state.vms import GuestDisk

logger = logging.getLogger(__name__)

SessionOf = Callable[[str], shell.Session]


class _Door(asyncssh.SSHServer):
    """Lets in whom cloud-init has let in."""

    def __init__(self, disk: GuestDisk, locked: bool, visitors: set[asyncssh.SSHServerConnection]) -> None:
        self._disk = disk
        self._locked = locked
        self._visitors = visitors
        self._visitor: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._visitor = conn
        self._visitors.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._visitor is not None:
            self._visitors.discard(self._visitor)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        user = self._disk.users.get(username)
        if user is None or self._locked or not user.keys:
            return False
        allowed = asyncssh.import_authorized_keys("\n".join(user.keys))
        return allowed.validate(key, "", "") is not None

    def password_auth_supported(self) -> bool:
        return self._disk.password_login

    async def validate_password(self, username: str, password: str) -> bool:
        user = self._disk.users.get(username)
        if user is None or self._locked or not user.password_hash:
            return False
        return await asyncio.to_thread(is_right, password, user.password_hash)


@dataclass(frozen=True)
class SshServer:
    """A listening server and those who are connected to it."""

    acceptor: asyncssh.SSHAcceptor
    visitors: set[asyncssh.SSHServerConnection]

    def close(self) -> None:
        """Stop listening and break all connections, as when a machine loses power."""
        self.acceptor.close()
        for visitor in list(self.visitors):
            visitor.abort()


async def serve(
    disk: GuestDisk,
    address: str,
    port: int,
    session_of: SessionOf,
    *,
    locked: bool = False,
    stranger: bool = False,
) -> SshServer | None:
    """Listen for a guest. None when its address is taken: two guests with one address, as in a real network.

    `locked` lets nobody in; `stranger` shows a host key that is not the guest's.
    """
    host_key = asyncssh.import_private_key(new_host_key() if stranger else disk.host_key)
    visitors: set[asyncssh.SSHServerConnection] = set()

    async def handle(process: asyncssh.SSHServerProcess[str]) -> None:
        await _converse(process, session_of(process.get_extra_info("username")))

    try:
        acceptor = await asyncssh.create_server(
            lambda: _Door(disk, locked, visitors),
            address,
            port,
            server_host_keys=[host_key],
            process_factory=handle,
            server_version="OpenSSH_9.6p1_simulated",
            login_timeout=30,
            allow_scp=False,
            reuse_address=True,
        )
    except OSError as error:
        logger.warning("no SSH server at %s:%d: %s", address, port, error)
        return None
    return SshServer(acceptor, visitors)


async def _converse(process: asyncssh.SSHServerProcess[str], session: shell.Session) -> None:
    if process.command is not None:
        _print(process, shell.run(session, process.command))
        return
    prompt = f"{session.user}@{session.vm.disk.hostname}:~$ "
    process.stdout.write(shell.BANNER + prompt)
    code = 0
    try:
        async for line in process.stdin:
            command = line.strip()
            if command in ("exit", "logout"):
                break
            result = shell.run(session, command)
            code = result.code
            process.stdout.write(result.out)
            process.stderr.write(result.err)
            process.stdout.write(prompt)
    except asyncssh.BreakReceived:
        code = 130
    process.exit(code)


def _print(process: asyncssh.SSHServerProcess[str], result: shell.Result) -> None:
    process.stdout.write(result.out)
    process.stderr.write(result.err)
    process.exit(result.code)
