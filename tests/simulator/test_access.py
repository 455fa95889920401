"""Tickets, tokens and permissions."""

from typing import Any

import pytest
import requests
from proxmoxer import ProxmoxAPI

from tests.simulator.lab import NODE, POOL, TEMPLATE, Lab, client, refusal


def test_a_ticket_opens_what_a_password_opens(root: Any) -> None:
    assert root.version.get()["release"] == "9.2"


def test_a_wrong_password_is_an_authentication_failure(lab: Lab) -> None:
    answer = requests.post(
        f"{lab.sim.url}/api2/json/access/ticket",
        data={"username": "root@pam", "password": "wrong"},
        verify=lab.sim.ca_path,
        timeout=5,
    )
    assert (answer.status_code, answer.reason) == (401, "authentication failure")


def test_an_old_ticket_renews_itself(lab: Lab, root: Any) -> None:
    ticket = root.access.ticket.post(username="root@pam", password=lab.sim.root_password)["ticket"]
    renewed = ProxmoxAPI(
        lab.sim.host, port=lab.sim.port, user="root@pam", password=ticket, verify_ssl=lab.sim.ca_path
    )
    assert renewed.version.get()


def test_a_change_by_ticket_needs_the_csrf_token(lab: Lab, root: Any) -> None:
    ticket = root.access.ticket.post(username="root@pam", password=lab.sim.root_password)["ticket"]
    answer = requests.post(
        f"{lab.sim.url}/api2/json/access/users",
        data={"userid": "z@pve"},
        cookies={"PVEAuthCookie": ticket},
        verify=lab.sim.ca_path,
        timeout=5,
    )
    assert (answer.status_code, answer.reason) == (401, "Permission denied - invalid csrf token")


def test_a_token_cannot_get_a_ticket(lab: Lab) -> None:
    answer = lab.request("POST", "/access/ticket", data={"username": "root@pam", "password": "x"})
    assert answer.status_code == 403
    assert "not available with API token" in answer.reason


def test_the_provisioner_sees_its_pool_and_nothing_else(lab: Lab) -> None:
    lab.sim.make_foreign_vm(NODE, 150)
    seen = {line["vmid"] for line in lab.api.cluster.resources.get(type="vm")}
    assert seen == {9100, 9101, 9200, 9201}
    assert refusal(lambda: lab.vm(150).config.get()).status_code == 403


def test_a_clone_outside_the_pool_is_denied_without_saying_why(lab: Lab) -> None:
    error = refusal(lambda: lab.vm(TEMPLATE).clone.post(newid=200))
    assert (error.status_code, error.content) == (403, "Permission check failed")


def test_a_foreign_vmid_is_still_known_to_exist(lab: Lab) -> None:
    lab.sim.make_foreign_vm(NODE, 150)
    assert refusal(lambda: lab.api.cluster.nextid.get(vmid=150)).errors == {"vmid": "VM 150 already exists"}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"hostpci0": "0000:01:00"}, "only root can set 'hostpci0' config for non-mapped devices"),
        ({"args": "-foo"}, "only root can set 'args' config"),
        ({"lock": "backup"}, "only root can set 'lock' config"),
        ({"affinity": "0-7"}, "only root can set 'affinity' config"),
    ],
)
def test_some_options_belong_to_root(lab: Lab, root: Any, options: dict[str, str], text: str) -> None:
    assert refusal(lambda: lab.vm(TEMPLATE).config.put(**options)).content == text
    root.nodes(NODE).qemu(TEMPLATE).config.put(**options)


def test_only_a_ticket_of_root_ignores_or_clears_a_lock(lab: Lab, root: Any) -> None:
    lab.make(200)
    lab.sim.lock_vm(200, "clone")
    assert lab.end(lab.vm(200).delete()) == "VM is locked (clone)"
    assert refusal(lambda: lab.vm(200).delete(skiplock=1)).errors == {
        "skiplock": "Only root may use this option."
    }
    root_token = root.access.users("root@pam").token("t1").post(privsep=0)["value"]
    token = client(lab.sim, "root@pam!t1", root_token)
    assert refusal(lambda: token.nodes(NODE).qemu(200).config.put(delete="lock")).status_code == 500
    root.nodes(NODE).qemu(200).config.put(delete="lock", skiplock=1)
    assert lab.end(lab.vm(200).delete()) == "OK"


def test_a_separated_token_has_what_both_have(lab: Lab, root: Any) -> None:
    root.access.users.post(userid="ada@pve")
    secret = root.access.users("ada@pve").token("t1").post(privsep=1)["value"]
    token = client(lab.sim, "ada@pve!t1", secret)
    root.access.acl.put(path="/vms", users="ada@pve", roles="PVEVMAdmin")
    assert token.nodes(NODE).qemu.get() == []
    root.access.acl.put(path=f"/vms/{TEMPLATE}", tokens="ada@pve!t1", roles="PVEAuditor")
    assert [line["vmid"] for line in token.nodes(NODE).qemu.get()] == [TEMPLATE]
    error = refusal(lambda: token.nodes(NODE).qemu(TEMPLATE).status.start.post())
    assert error.content == f"Permission check failed (/vms/{TEMPLATE}, VM.PowerMgmt)"


def test_each_option_asks_for_its_privilege(lab: Lab, root: Any) -> None:
    root.access.roles.post(roleid="Cores", privs="VM.Audit,VM.Config.CPU")
    root.access.users.post(userid="ada@pve")
    secret = root.access.users("ada@pve").token("t1").post(privsep=0)["value"]
    root.access.acl.put(path="/vms", users="ada@pve", roles="Cores")
    vm = client(lab.sim, "ada@pve!t1", secret).nodes(NODE).qemu(TEMPLATE)
    vm.config.put(cores=2)
    for option, value, privilege in (
        ("memory", 512, "VM.Config.Memory"),
        ("tags", "a", "VM.Config.Options"),
        ("ciuser", "ada", "VM.Config.Cloudinit|VM.Config.Network"),
        ("machine", "q35", "VM.Config.HWType"),
        ("scsi1", "local-zfs:1", "VM.Config.Disk"),
        ("ide0", "none,media=cdrom", "VM.Config.CDROM"),
        ("net0", "virtio,bridge=vmbr0", "VM.Config.Network"),
    ):
        error = refusal(lambda option=option, value=value: vm.config.put(**{option: value}))
        assert error.content == f"Permission check failed (/vms/{TEMPLATE}, {privilege})"


def test_a_task_belongs_to_who_started_it(lab: Lab, root: Any) -> None:
    upid = root.nodes(NODE).qemu(TEMPLATE).status.start.post()
    root.access.users.post(userid="ada@pve")
    secret = root.access.users("ada@pve").token("t1").post(privsep=0)["value"]
    stranger = client(lab.sim, "ada@pve!t1", secret)
    error = refusal(lambda: stranger.nodes(NODE).tasks(upid).status.get())
    assert error.content == f"Permission check failed (/nodes/{NODE}, Sys.Audit)"
    assert refusal(lambda: stranger.nodes(NODE).tasks(upid).delete()).status_code == 403


def test_a_vm_enters_and_leaves_its_pool_with_its_life(lab: Lab) -> None:
    lab.make(200)
    members = {member["vmid"] for member in lab.api.pools.get(POOL)["members"]}
    assert 200 in members
    assert lab.end(lab.vm(200).delete()) == "OK"
    assert 200 not in {member["vmid"] for member in lab.api.pools.get(POOL)["members"]}
