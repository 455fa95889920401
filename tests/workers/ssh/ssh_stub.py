"""SSH servers of the tests: a real one with chosen login methods, and ports that are no SSH server."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import paramiko

HOST = "127.0.0.1"
USER = "renter"
HOST_KEY = paramiko.ECDSAKey.generate()


@dataclass
class Rules(paramiko.ServerInterface):
    """Who may log in. `methods` are on offer; `second_factor` is asked for after a good key."""

    methods: str = "publickey"
    password: str | None = None
    key: paramiko.PKey | None = None
    second_factor: bool = False
    open_door: bool = False
    hang_up_at_login: bool = False
    seen: list[str] = field(default_factory=list)
    transport: paramiko.Transport | None = None

    def get_allowed_auths(self, username: str) -> str:
        return self.methods

    def check_auth_none(self, username: str) -> int:
        self.seen.append(f"none {username}")
        if self.hang_up_at_login and self.transport:
            self.transport.sock.close()
        return paramiko.AUTH_SUCCESSFUL if self.open_door else paramiko.AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        self.seen.append(f"password {username}")
        good = "password" in self.methods.split(",") and password == self.password
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.seen.append(f"publickey {username}")
        if key != self.key:
            return paramiko.AUTH_FAILED
        return paramiko.AUTH_PARTIALLY_SUCCESSFUL if self.second_factor else paramiko.AUTH_SUCCESSFUL

    def check_auth_interactive(self, username: str, submethods: str) -> paramiko.InteractiveQuery | int:
        if "keyboard-interactive" not in self.methods:
            return paramiko.AUTH_FAILED
        return paramiko.InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        return paramiko.AUTH_SUCCESSFUL if responses == [self.password] else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        def answer() -> None:
            channel.sendall(b"gpu-vm-1\n" if command == b"hostname" else b"?")
            channel.send_exit_status(0)
            channel.close()

        threading.Timer(0.02, answer).start()
        return True


@contextmanager
def port_with(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A listening port whose connections are given to `serve`, each in a thread."""
    with socket.create_server((HOST, 0)) as listener:
        threads: list[threading.Thread] = []
        done = threading.Event()

        def accept() -> None:
            listener.settimeout(0.02)
            while not done.is_set():
                with contextlib.suppress(OSError):
                    client = listener.accept()[0]
                    threads.append(threading.Thread(target=serve, args=(client,), daemon=True))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            acceptor.join()


@contextmanager
def ssh_server(
    rules: Rules, *, version: str = "SSH-2.0-OpenSSH_9.6", kex: str | None = None
) -> Iterator[int]:
    """A real SSH server on a port of 127.0.0.1."""
    transports: list[paramiko.Transport] = []

    def serve(client: socket.socket) -> None:
        transport = paramiko.Transport(client)
        transports.append(transport)
        transport.local_version = version
        if kex:
            transport._preferred_kex = (kex,)
        transport.add_server_key(HOST_KEY)
        rules.transport = transport
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=rules)

    with port_with(serve) as port:
        try:
            yield port
        finally:
            for transport in transports:
                transport.close()


def closed_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])
