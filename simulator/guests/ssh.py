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


class Visitors:
    """Who is connected. Once the machine is off, also who was just being accepted has to leave."""

    def __init__(self) -> None:
        self._present: set[asyncssh.SSHServerConnection] = set()
        self._is_off = False

    def enter(self, visitor: asyncssh.SSHServerConnection) -> None:
        """A connection was accepted."""
        self._present.add(visitor)
        if self._is_off:
            asyncio.get_running_loop().call_soon(visitor.abort)

    def leave(self, visitor: asyncssh.SSHServerConnection) -> None:
        """It has ended."""
        self._present.discard(visitor)

    def throw_out(self) -> None:
        """Break all connections, for good."""
        self._is_off = True
        for visitor in list(self._present):
            visitor.abort()


class _Door(asyncssh.SSHServer):
    """Lets in whom cloud-init has let in."""

    def __init__(self, disk: GuestDisk, locked: bool, visitors: Visitors) -> None:
        self._disk = disk
        self._locked = locked
        self._visitors = visitors
        self._visitor: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._visitor = conn
        self._visitors.enter(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._visitor is not None:
            self._visitors.leave(self._visitor)

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
    visitors: Visitors

    def close(self) -> None:
        """Stop listening and break all connections, as when a machine loses power."""
        self.acceptor.close()
        self.visitors.throw_out()


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
    visitors = Visitors()

    async def handle(process: asyncssh.SSHServerProcess[str]) -> None:
        await _converse(process, session_of(process.get_extra_info("username")))

    opening = asyncio.ensure_future(
        asyncssh.create_server(
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
    )
    try:
        acceptor = await asyncio.shield(opening)
    except OSError as error:
        logger.warning("no SSH server at %s:%d: %s", address, port, error)
        return None
    except asyncio.CancelledError:  # the power failed meanwhile: asyncio would leave the address taken
        opening.add_done_callback(_close_if_open)
        raise
    return SshServer(acceptor, visitors)


def _close_if_open(opening: asyncio.Future[asyncssh.SSHAcceptor]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


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
