"""Inside running VMs: cloud-init, the agent, and SSH with real keys and passwords."""

import asyncio
import contextlib
import socket
import time
from typing import Any

import paramiko
import pytest
from passlib.hash import sha512_crypt

from simulator import Fault, SimConfig, SimNode, SimTemplate, Simulator, demo_config
from simulator.guests.keys import new_host_key
from simulator.guests.ssh import serve
from simulator.state.vms import GuestDisk
from tests.simulator.conftest import FAST, MakeLab
from tests.simulator.lab import NODE, Lab, client, encoded, eventually, host_key, log_in, refusal, run

PASSWORD = "correct horse battery"


def _started(lab: Lab, vmid: int = 200, **config: Any) -> str:
    lab.make(vmid, **config)
    assert lab.start(vmid) == "OK"
    return lab.address(vmid)


def _is_open(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def test_the_key_that_cloud_init_got_opens_and_no_other(lab: Lab, key: paramiko.PKey) -> None:
    address = _started(lab, ciuser="ada", sshkeys=encoded(key))
    with log_in(address, lab.sim.ssh_port, "ada", pkey=key) as ssh:
        assert run(ssh, "whoami; hostname") == (0, "ada\nguest-200\n")
    stranger = paramiko.ECDSAKey.generate()
    for user, wrong in (("ada", stranger), ("ubuntu", key)):
        with pytest.raises(paramiko.AuthenticationException):
            log_in(address, lab.sim.ssh_port, user, pkey=wrong)


@pytest.mark.parametrize(
    "sent", [PASSWORD, sha512_crypt.using(rounds=5000).hash(PASSWORD)], ids=["plain", "hashed"]
)
def test_the_password_opens_whether_it_was_sent_plain_or_hashed(lab: Lab, sent: str) -> None:
    address = _started(lab, cipassword=sent)
    with log_in(address, lab.sim.ssh_port, "ubuntu", password=PASSWORD) as ssh:
        assert run(ssh, "cloud-init status --wait") == (0, "status: done\n")
    with pytest.raises(paramiko.AuthenticationException):
        log_in(address, lab.sim.ssh_port, "ubuntu", password="wrong")


@pytest.mark.parametrize("rounds", range(6))
def test_a_power_failure_while_the_ssh_server_starts_frees_the_address(rounds: int) -> None:
    address, disk = "127.90.0.9", GuestDisk(host_key=new_host_key())
    with socket.socket() as free:
        free.bind((address, 0))
        port = free.getsockname()[1]

    async def fail_meanwhile() -> None:
        starting = asyncio.create_task(serve(disk, address, port, lambda _: pytest.fail("no login")))
        for _ in range(rounds):
            await asyncio.sleep(0)
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            server = await starting
            assert server is not None
            server.close()
        await asyncio.sleep(0.02)

    asyncio.run(fail_meanwhile())
    with socket.socket() as next_one:
        next_one.bind((address, port))


def test_two_simulators_never_share_a_port(lab: Lab) -> None:
    with pytest.raises(OSError, match="is another simulator running"):
        Simulator(demo_config(nodes=1, ssh_port=lab.sim.ssh_port)).start()


def test_a_stock_image_does_not_offer_passwords() -> None:
    template = SimTemplate(9101, "stock", password_login=False)
    config = SimConfig(nodes=(SimNode(NODE, "10.0.0.1", templates=(template,)),), time_scale=FAST)
    with Simulator(config) as sim:
        stock = Lab(sim, client(sim))
        address = _started(stock, cipassword=PASSWORD)
        with pytest.raises(paramiko.BadAuthenticationType) as refused:
            log_in(address, sim.ssh_port, "ubuntu", password=PASSWORD)
        assert refused.value.allowed_types == ["publickey"]


def test_the_guest_sees_its_cards(lab: Lab, key: paramiko.PKey) -> None:
    address = _started(
        lab, sshkeys=encoded(key), hostpci0="mapping=gpu-vm01-0,pcie=1", hostpci1="mapping=gpu-vm01-2,pcie=1"
    )
    with log_in(address, lab.sim.ssh_port, "ubuntu", pkey=key) as ssh:
        code, out = run(ssh, "nvidia-smi -L")
    assert code == 0
    lines = out.splitlines()
    assert [line.split(" (")[0] for line in lines] == [
        "GPU 0: NVIDIA GeForce RTX 5090",
        "GPU 1: NVIDIA GeForce RTX 5090",
    ]
    assert lines[0].split("UUID")[1] != lines[1].split("UUID")[1]


def test_without_cards_there_are_no_devices(lab: Lab, key: paramiko.PKey) -> None:
    address = _started(lab, sshkeys=encoded(key))
    with log_in(address, lab.sim.ssh_port, "ubuntu", pkey=key) as ssh:
        assert run(ssh, "nvidia-smi -L") == (6, "No devices were found\n")


def test_the_shell_says_what_it_is(lab: Lab, key: paramiko.PKey) -> None:
    address = _started(lab, sshkeys=encoded(key))
    with log_in(address, lab.sim.ssh_port, "ubuntu", pkey=key) as ssh:
        channel = ssh.invoke_shell()
        channel.send(b"hostname\nexit\n")
        said = b""
        while data := channel.recv(4096):
            said += data
    assert b"simulated VM" in said
    assert b"guest-200" in said


def test_the_host_key_lives_as_long_as_the_instance(lab: Lab) -> None:
    address = _started(lab, ciuser="ada")
    first = host_key(address, lab.sim.ssh_port)
    lab.stop(200)
    lab.start(200)
    assert host_key(lab.address(200), lab.sim.ssh_port) == first
    lab.stop(200)
    lab.vm(200).config.put(ciuser="bob")
    lab.start(200)
    assert host_key(lab.address(200), lab.sim.ssh_port) != first


def test_a_change_after_the_start_reaches_the_guest_at_the_next_one(lab: Lab, key: paramiko.PKey) -> None:
    lab.make(200)
    lab.start(200)
    lab.vm(200).config.put(ciuser="late", sshkeys=encoded(key))
    address = lab.address(200)
    with pytest.raises(paramiko.AuthenticationException):
        log_in(address, lab.sim.ssh_port, "late", pkey=key)


def test_each_vm_has_its_address_and_keeps_it(lab: Lab) -> None:
    first, second = _started(lab, 200), _started(lab, 201)
    assert first != second
    assert first.startswith("127.")
    lab.stop(200)
    lab.start(200)
    assert lab.address(200) == first


def test_a_static_loopback_address_is_used_as_it_is(lab: Lab) -> None:
    assert _started(lab, ipconfig0="ip=127.90.0.7/8,gw=127.0.0.1") == "127.90.0.7"
    assert _is_open("127.90.0.7", lab.sim.ssh_port)


def test_a_stopped_vm_does_not_listen_and_drops_who_was_inside(lab: Lab, key: paramiko.PKey) -> None:
    address = _started(lab, sshkeys=encoded(key))
    with log_in(address, lab.sim.ssh_port, "ubuntu", pkey=key) as ssh:
        lab.stop(200)
        assert not _is_open(address, lab.sim.ssh_port)
        transport = ssh.get_transport()
        assert transport is not None
        eventually(lambda: not transport.is_active())


def test_the_agent_reports_lo_first_and_the_mac_of_net0(lab: Lab) -> None:
    _started(lab)
    lo, eth0 = lab.vm(200).agent("network-get-interfaces").get()["result"]
    mac = lab.vm(200).config.get()["net0"].split(",")[0].removeprefix("virtio=")
    assert lo["name"] == "lo"
    assert (eth0["name"], eth0["hardware-address"]) == ("eth0", mac.lower())
    assert eth0["ip-addresses"][1]["ip-address"].startswith("fe80::be24:11ff:fe")


def test_a_silent_agent_takes_a_while_to_say_so(make_lab: MakeLab) -> None:
    lab = make_lab(time_scale=0.02)
    lab.make(200)
    assert refusal(lab.vm(200).agent.ping.post).content == "VM 200 is not running"
    lab.start(200)
    began = time.monotonic()
    assert refusal(lab.vm(200).agent.ping.post).content == "QEMU guest agent is not running"
    assert time.monotonic() - began >= 0.06
    lab.stop(200)
    lab.vm(200).config.put(agent=0)
    lab.start(200)
    assert refusal(lab.vm(200).agent.ping.post).content == "No QEMU guest agent configured"


def test_the_agent_runs_commands_and_writes_files(lab: Lab, key: paramiko.PKey) -> None:
    address = _started(lab, sshkeys=encoded(key))
    agent = lab.vm(200).agent
    pid = agent.exec.post(command=["cloud-init", "status", "--wait"])["pid"]
    assert agent("exec-status").get(pid=pid) == {"exited": 1, "exitcode": 0, "out-data": "status: done\n"}
    agent("file-write").post(file="/run/notice", content="two minutes")
    assert agent("file-read").get(file="/run/notice")["content"] == "two minutes"
    with log_in(address, lab.sim.ssh_port, "ubuntu", pkey=key) as ssh:
        assert run(ssh, "cat /run/notice") == (0, "two minutes")
        assert run(ssh, "echo hello > /tmp/x && cat /tmp/x") == (0, "hello\n")
    error = refusal(lambda: agent("file-read").get(file="/no/such"))
    assert (
        error.content == "Agent error: failed to open file '/no/such' (mode: 'r'): No such file or directory"
    )
    assert refusal(lambda: agent("exec-status").get(pid=1)).content == "Agent error: Invalid parameter 'pid'"
    assert refusal(lambda: agent.exec.post(command=["/no/such"])).status_code == 596


def test_the_agent_knows_the_system(lab: Lab) -> None:
    _started(lab)
    agent = lab.vm(200).agent
    assert agent("get-osinfo").get()["result"]["version-id"] == "24.04"
    assert agent("get-host-name").get()["result"] == {"host-name": "guest-200"}
    assert agent.post(command="ping") == {"result": {}}


def test_a_guest_can_power_itself_off(lab: Lab, key: paramiko.PKey) -> None:
    address = _started(lab, sshkeys=encoded(key))
    with log_in(address, lab.sim.ssh_port, "ubuntu", pkey=key) as ssh:
        ssh.exec_command("sudo poweroff")
        eventually(lambda: lab.vm(200).status.current.get()["status"] == "stopped")


def test_a_password_can_be_changed_from_outside(lab: Lab) -> None:
    address = _started(lab, cipassword="first one")
    lab.vm(200).agent("set-user-password").post(username="ubuntu", password=PASSWORD)
    log_in(address, lab.sim.ssh_port, "ubuntu", password=PASSWORD).close()
    agent = lab.vm(200).agent("set-user-password")
    assert (
        "failed to set user password"
        in refusal(lambda: agent.post(username="nobody", password=PASSWORD)).content
    )


@pytest.mark.parametrize("fault", ["ssh_refuses_login", "ssh_wrong_host"])
def test_a_guest_that_answers_wrongly(lab: Lab, key: paramiko.PKey, fault: str) -> None:
    address = _started(lab, sshkeys=encoded(key))
    good = host_key(address, lab.sim.ssh_port)
    lab.stop(200)
    lab.sim.faults.add(Fault(fault))
    lab.start(200)
    lab.address(200)
    assert (host_key(address, lab.sim.ssh_port) == good) is (fault == "ssh_refuses_login")
    if fault == "ssh_refuses_login":
        with pytest.raises(paramiko.AuthenticationException):
            log_in(address, lab.sim.ssh_port, "ubuntu", pkey=key)
