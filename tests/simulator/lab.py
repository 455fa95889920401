"""What the tests say to a simulator: a client, the end of a task, the refusal of a call."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import paramiko
import pytest
import requests
from proxmoxer import ProxmoxAPI
from proxmoxer.core import ResourceException

from simulator import Simulator

NODE = "vm01"
TEMPLATE = 9101
POOL = "innkeeper"
PATIENCE = 10


def client(sim: Simulator, token_id: str = "", secret: str = "") -> Any:
    """proxmoxer with the provisioner's token, or another one."""
    user, _, name = (token_id or sim.token_id).partition("!")
    return ProxmoxAPI(
        sim.host,
        port=sim.port,
        user=user,
        token_name=name,
        token_value=secret or sim.token_secret,
        verify_ssl=sim.ca_path,
        timeout=20,
    )


def root_client(sim: Simulator) -> Any:
    """proxmoxer with a ticket of root@pam."""
    return ProxmoxAPI(
        sim.host,
        port=sim.port,
        user="root@pam",
        password=sim.root_password,
        verify_ssl=sim.ca_path,
        timeout=20,
    )


def eventually(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        time.sleep(0.005)
    return result


@dataclass
class Lab:
    """A simulator and a client of it."""

    sim: Simulator
    api: Any

    @property
    def node(self) -> Any:
        return self.api.nodes(NODE)

    def vm(self, vmid: int) -> Any:
        return self.node.qemu(vmid)

    def end(self, upid: str) -> str:
        """The exit status of a task."""
        node = upid.split(":")[1]

        def ended() -> Any:
            return self.api.nodes(node).tasks(upid).status.get().get("exitstatus")

        return str(eventually(ended))

    def log(self, upid: str) -> list[str]:
        """All lines of a task's log."""
        lines = self.api.nodes(upid.split(":")[1]).tasks(upid).log.get(limit=0)
        return [line["t"] for line in lines]

    def clone(self, vmid: int, template: int = TEMPLATE, **options: Any) -> str:
        """Clone a template; the exit status."""
        wanted = {"newid": vmid, "name": f"guest-{vmid}", "pool": POOL, **options}
        return self.end(self.vm(template).clone.post(**wanted))

    def make(self, vmid: int, **config: Any) -> Any:
        """A cloned and configured VM."""
        assert self.clone(vmid) == "OK"
        if config:
            self.vm(vmid).config.put(**config)
        return self.vm(vmid)

    def start(self, vmid: int) -> str:
        """Start a VM; the exit status."""
        return self.end(self.vm(vmid).status.start.post())

    def stop(self, vmid: int) -> str:
        """Stop a VM; the exit status."""
        return self.end(self.vm(vmid).status.stop.post())

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """A raw request with the provisioner's token."""
        headers = {"Authorization": f"PVEAPIToken={self.sim.token_id}={self.sim.token_secret}"}
        headers |= options.pop("headers", {})
        url = f"{self.sim.url}{path}" if path.startswith("/sim") else f"{self.sim.url}/api2/json{path}"
        return requests.request(method, url, headers=headers, verify=self.sim.ca_path, timeout=20, **options)

    def address(self, vmid: int) -> str:
        """The address that the guest agent reports, once the guest can be logged in to."""

        def listening() -> bool:
            guest = self.sim.call(lambda server: server.world.guests.of(vmid))
            return guest is not None and guest.listening

        eventually(listening)
        interfaces = self.vm(vmid).agent("network-get-interfaces").get()["result"]
        return str(interfaces[1]["ip-addresses"][0]["ip-address"])


def refusal(call: Callable[[], Any]) -> ResourceException:
    """The error that a call is answered with."""
    with pytest.raises(ResourceException) as caught:
        call()
    return caught.value


def encoded(key: paramiko.PKey) -> str:
    """A public key as `sshkeys` wants it."""
    return quote(f"{key.get_name()} {key.get_base64()} test", safe="")


def log_in(address: str, port: int, user: str, **credentials: Any) -> paramiko.SSHClient:
    """An SSH connection; any host key will do."""
    ssh = paramiko.SSHClient()
    ssh.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    ssh.connect(
        address, port=port, username=user, look_for_keys=False, allow_agent=False, timeout=10, **credentials
    )
    return ssh


def run(ssh: paramiko.SSHClient, command: str) -> tuple[int, str]:
    """(exit code, standard output) of a command."""
    _, out, _ = ssh.exec_command(command)
    text = out.read().decode()
    return out.channel.recv_exit_status(), text


def host_key(address: str, port: int) -> bytes:
    """The key that a server shows."""
    transport = paramiko.Transport((address, port))
    try:
        transport.start_client(timeout=10)
        return transport.get_remote_server_key().asbytes()
    finally:
        transport.close()
