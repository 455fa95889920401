"""The questions to Proxmox VE: nothing here changes anything. Each raises PveError and nothing else."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from orchestrator.errors import PveAgentSilent, PveConflict, PveDenied, PveNotHere, PveTransient
from orchestrator.fleet.sightings import Snapshot
from workers.proxmox.classify import TaskGone, classify_http
from workers.proxmox.connection import Call, Connection
from workers.proxmox.guest import addresses_of_mac
from workers.proxmox.model import LogPage, TaskState, VmConfig, VmStatus
from workers.proxmox.names import Upid, checked, checked_upid, checked_vmid
from workers.proxmox.properties import is_true, parse_properties
from workers.proxmox.resources import parse_resources
from workers.proxmox.tasklog import cloned_vmid

T = TypeVar("T")

# A clone writes about 100 lines of progress for each disk.
LOG_LINES = 500


class Reads:
    """Reads of one cluster; they time out after `CallLimits.reads_seconds` seconds without an answer."""

    _connection: Connection

    def version(self) -> str:
        """PVE's version, like `9.2.11`; the cheapest proof that endpoint and token are right."""
        call = Call("get", ("version",), "ask for the version")
        return self._connection.call(call, lambda data: str(data["version"]))

    def vm_config(self, node: str, vmid: int) -> VmConfig:
        """The configuration. Raises PveNotHere when that node has no such VM (another one may)."""
        return self._of_vm(
            self._vm_call(node, vmid, "config", verb="read the configuration"), VmConfig.parse, vmid
        )

    def vm_status(self, node: str, vmid: int) -> VmStatus:
        """Whether it runs, asked of QEMU itself. Raises PveNotHere."""
        return self._of_vm(
            self._vm_call(node, vmid, "status", "current", verb="read the status"), VmStatus.parse, vmid
        )

    def vmid_in_use(self, vmid: int) -> bool:
        """Whether any VM or container of the cluster has that VMID, also one that our token may not see."""
        call = Call(
            "get", ("cluster", "nextid"), f"ask for VMID {vmid}", parameters={"vmid": checked_vmid(vmid)}
        )
        try:
            self._connection.call(call, int)
        except PveConflict:
            return True
        return False

    def locate(self, vmid: int) -> str | None:
        """The node that has the VM, among those that our token may see; fresh, also for a VM just made."""
        guest = self._resources({"type": "vm"}).guests.get(checked_vmid(vmid))
        return guest.node if guest else None

    def resources(self) -> Snapshot:
        """All nodes, and all VMs that our token may see with their present use, in one cheap call."""
        return self._resources({})

    def _resources(self, parameters: dict[str, str]) -> Snapshot:
        call = Call("get", ("cluster", "resources"), "list nodes and VMs", parameters=parameters)
        return self._connection.call(call, parse_resources)

    def cluster_quorate(self) -> bool:
        """Whether the cluster may change anything. A single node without a cluster always may."""

        def quorate(rows: Any) -> bool:
            return all(is_true(row["quorate"]) for row in rows if row["type"] == "cluster")

        return self._connection.call(Call("get", ("cluster", "status"), "ask for the quorum"), quorate)

    def storage_volumes(self, node: str, storage: str) -> dict[str, int]:
        """The disks on that storage, referenced or not, and the VMID that each belongs to."""
        call = Call(
            "get",
            ("nodes", checked("node", node), "storage", checked("storage", storage), "content"),
            f"list the disks on {storage}",
            node,
            {"content": "images"},
        )
        return self._connection.call(
            call, lambda rows: {row["volid"]: int(row["vmid"]) for row in rows if row.get("vmid")}
        )

    def mapping_problems(self, node: str, mapping_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """What PVE finds wrong with these PCI mappings on that node, missing ones included; sound ones are
        left out.
        """
        call = Call(
            "get",
            ("cluster", "mapping", "pci"),
            "check the PCI mappings",
            node,
            {"check-node": checked("node", node)},
        )
        checks = self._connection.call(call, _checks_by_mapping)
        unknown = ("the cluster has no such PCI mapping, or the token may not use it",)
        problems = {mapping: checks.get(mapping, unknown) for mapping in mapping_ids}
        return {mapping: texts for mapping, texts in problems.items() if texts}

    def mapping_addresses(self, node: str, mapping_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The PCI addresses (`0000:81:00`) on that node behind each of these mappings."""
        call = Call("get", ("cluster", "mapping", "pci"), "read the PCI mappings", node)
        wanted, host = set(mapping_ids), checked("node", node)
        addresses = self._connection.call(call, lambda rows: _addresses_by_mapping(rows, host))
        return {mapping: found for mapping, found in addresses.items() if mapping in wanted}

    def guest_addresses(self, node: str, vmid: int, mac: str) -> tuple[str, ...]:
        """The addresses that the guest has on the card with that MAC, in its order; empty while there are
        none.

        Raises PveAgentSilent while the agent does not answer. Each such call costs the node an API worker for
        3 s: poll slowly.
        """
        call = self._vm_call(
            node, vmid, "agent", "network-get-interfaces", verb="ask the agent for the addresses"
        )
        result = self._connection.call(call, lambda data: data["result"])
        # A refusal of the guest comes with status 200 (PVE 9.2, generic agent calls).
        if isinstance(result, dict) and "error" in result:
            text = f"Agent error: {result['error']}"
            raise self._connection.error(classify_http(500, text, change=False), call, text)
        if result is None:
            raise self._connection.error(PveAgentSilent, call, "the agent answers nothing")
        return self._connection.parsed(call, lambda: addresses_of_mac(result, mac))

    def task(self, upid: str) -> TaskState:
        """Where the task stands; `vanished` when its node does not know it. The node is the one inside the
        UPID.
        """
        try:
            return self._connection.call(self._task_call(checked_upid(upid), "status"), TaskState.parse)
        except TaskGone:
            return TaskState(running=False, vanished=True)

    def task_log(self, upid: str) -> tuple[str, ...]:
        """The last lines of the task's log, at most 500. For a log that is gone: at most one, saying so."""
        task = checked_upid(upid)
        try:
            page = self._log_page(task, 0)
            return (
                page.lines if page.total <= LOG_LINES else self._log_page(task, page.total - LOG_LINES).lines
            )
        except TaskGone:
            return ()

    def active_tasks(self, node: str, vmid: int) -> dict[str, str]:
        """The UPIDs of the tasks that run on a VM now, by type (`qmstart`, `qmdestroy`, …).

        A clone runs on its template: `find_clone_task`.
        """
        call = Call(
            "get",
            ("nodes", checked("node", node), "tasks"),
            f"look for running tasks of VM {vmid}",
            node,
            {"source": "active", "vmid": checked_vmid(vmid)},
        )
        return self._connection.call(
            call, lambda rows: {row["type"]: row["upid"] for row in rows if row.get("status") == "RUNNING"}
        )

    def find_clone_task(self, node: str, vmid: int) -> str | None:
        """The UPID of the running clone that makes this VMID, if one does: for answers that were lost.

        PVE files a clone under the VMID of its template; only the first line of its log names the new one.
        Raises PveTransient while a clone runs that has not written that line yet: None is a sure answer.
        """
        call = Call(
            "get",
            ("nodes", checked("node", node), "tasks"),
            f"look for the clone task of VM {checked_vmid(vmid)}",
            node,
            {"source": "active", "typefilter": "qmclone"},
        )
        unsure = []
        for upid in self._connection.call(call, _running_upids):
            try:
                makes = cloned_vmid(self._log_page(checked_upid(upid), 0).lines)
            except TaskGone:
                continue
            if makes == vmid:
                return upid
            if makes is None:
                unsure.append(upid)
        if unsure:
            text = f"task {unsure[0]} has not said yet which VM it makes"
            raise self._connection.error(PveTransient, call, text)
        return None

    def _of_vm(self, call: Call, parse: Callable[[Any], T], vmid: int) -> T:
        """The answer about a VM, where a token with rights in one pool only gets 403 for a VMID of nobody.

        For a VM that exists PveDenied stays: it belongs to others, or it is a clone that is still being made,
        which PVE puts into its pool at the very end.
        """
        try:
            return self._connection.call(call, parse)
        except PveDenied:
            if self.vmid_in_use(vmid):
                raise
            raise self._connection.error(PveNotHere, call, f"no VM has VMID {vmid}") from None

    def _log_page(self, task: Upid, start: int) -> LogPage:
        call = self._task_call(task, "log", start=start, limit=LOG_LINES)
        return self._connection.call_counted(call, LogPage.parse)

    def _task_call(self, task: Upid, leaf: str, **parameters: int) -> Call:
        path = ("nodes", task.node, "tasks", task.text, leaf)
        return Call("get", path, f"read the {leaf} of task {task.text}", task.node, parameters)

    def _vm_call(self, node: str, vmid: int, *leaf: str, verb: str) -> Call:
        path: tuple[str | int, ...] = ("nodes", checked("node", node), "qemu", checked_vmid(vmid), *leaf)
        return Call("get", path, f"{verb} of VM {vmid}", node)


def _running_upids(rows: Any) -> tuple[str, ...]:
    return tuple(row["upid"] for row in rows if row["type"] == "qmclone" and row.get("status") == "RUNNING")


def _checks_by_mapping(rows: Any) -> dict[str, tuple[str, ...]]:
    return {
        row["id"]: tuple(str(check["message"]).strip() for check in row.get("checks") or ()) for row in rows
    }


def _addresses_by_mapping(rows: Any, node: str) -> dict[str, tuple[str, ...]]:
    entries = {row["id"]: [parse_properties(entry, "node") for entry in row["map"]] for row in rows}
    return {
        mapping: tuple(
            path.split(".")[0]
            for entry in found
            if entry["node"] == node
            for path in entry["path"].split(";")
        )
        for mapping, found in entries.items()
    }
