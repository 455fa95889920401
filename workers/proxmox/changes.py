"""The changes asked of Proxmox VE. Each is sent once; what is needed and what came of it, the caller sees.

A returned UPID only says that a task was begun: locks, states and GPU conflicts show in the task's result.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from orchestrator.errors import PveBug
from workers.proxmox.connection import Call, Connection
from workers.proxmox.names import checked, checked_vmid, parse_upid

# PVE takes up to 61,440 characters (agent/file-write, 9.2) and counts those of the UTF-8 form.
GUEST_FILE_BYTES = 61_440

Options = Mapping[str, str | int | bool]


class Changes:
    """Changes to one cluster; they time out after `CallLimits.changes_seconds` seconds without an answer.

    Each raises PveError; PveAmbiguous when the answer was lost and the change may have been made.
    """

    _connection: Connection

    def clone(
        self,
        node: str,
        template: int,
        vmid: int,
        *,
        name: str,
        description: str,
        pool: str | None,
        full: bool,
        storage: str | None,
        target: str | None = None,
    ) -> str:
        """Begin a clone with name, description (the ownership marker) and pool set. Returns the UPID.

        A linked clone stays on the storage of its template: PVE refuses `storage` for it, so it is left out
        then, like a `target` that is the node itself.
        """
        parameters: dict[str, str | int | bool] = {
            "newid": checked_vmid(vmid),
            "name": checked("VM name", name),
            "description": description,
            "full": full,
        }
        if pool is not None:
            parameters["pool"] = checked("pool", pool)
        if full and storage is not None:
            parameters["storage"] = checked("storage", storage)
        if target not in (None, node):
            parameters["target"] = checked("node", str(target))
        verb = f"clone template {template} to"
        return self._begin("post", node, template, "clone", verb=verb, about=vmid, parameters=parameters)

    def configure(
        self, node: str, vmid: int, options: Options, *, delete: Sequence[str] = (), digest: str | None = None
    ) -> None:
        """Set and delete options in one request; returns when they are written.

        `sshkeys` is plain text, one key a line. With the `digest` of an earlier read PVE refuses
        (PveConflict) when the configuration was edited since. After any error read again: on a running VM
        some options may be set.
        """
        parameters = {checked("option", key): value for key, value in options.items()}
        if "sshkeys" in parameters:
            # PVE wants it percent-encoded inside the form encoding; a `+` for a blank is refused.
            parameters["sshkeys"] = quote(str(parameters["sshkeys"]), safe="")
        if delete:
            parameters["delete"] = ",".join(checked("option", key) for key in delete)
        if digest is not None:
            parameters["digest"] = digest
        call = self._change("put", node, vmid, "config", verb="configure", parameters=parameters)
        self._connection.call(call, lambda _nothing: None)

    def resize(self, node: str, vmid: int, disk: str, size_gib: int) -> str:
        """Grow a disk to that size in GiB, or leave it if it has it; PVE never shrinks. Returns the UPID."""
        parameters = {"disk": checked("disk", disk), "size": f"{int(size_gib)}G"}
        return self._begin("put", node, vmid, "resize", verb=f"resize {disk} of", parameters=parameters)

    def start(self, node: str, vmid: int, timeout_seconds: int) -> str:
        """Begin a start that PVE gives up, killing QEMU, after so many seconds. Returns the UPID."""
        return self._power(node, vmid, "start", {"timeout": int(timeout_seconds)})

    def shutdown(self, node: str, vmid: int, timeout_seconds: int) -> str:
        """Ask the guest to shut down; it is left running if it does not in that time. Returns the UPID."""
        return self._power(node, vmid, "shutdown", {"timeout": int(timeout_seconds), "forceStop": False})

    def stop(self, node: str, vmid: int) -> str:
        """Power off, also when a shutdown is under way, whose task is ended by it. Returns the UPID."""
        return self._power(node, vmid, "stop", {"overrule-shutdown": True})

    def destroy(self, node: str, vmid: int, *, unreferenced_disks: bool = True) -> str:
        """Delete a stopped VM, its disks and its entries in backup and HA jobs. Returns the UPID.

        Looking for `unreferenced_disks` reads all enabled storages: one that is offline makes the task fail
        after the VM's own disks are gone; ask again without it then.
        """
        parameters = {"purge": True, "destroy-unreferenced-disks": unreferenced_disks}
        return self._begin("delete", node, vmid, verb="destroy", parameters=parameters)

    def write_guest_file(self, node: str, vmid: int, path: str, content: str) -> None:
        """Write a small text file inside the guest. Raises PveAgentSilent when its agent does not answer."""
        if len(content.encode()) > GUEST_FILE_BYTES:
            raise PveBug(
                f"{path} of VM {vmid} would have more than {GUEST_FILE_BYTES} bytes; nothing was sent"
            )
        parameters = {"file": checked("guest path", path), "content": content}
        call = self._change(
            "post", node, vmid, "agent", "file-write", verb=f"write {path} into", parameters=parameters
        )
        self._connection.call(call, lambda _nothing: None)

    def _power(self, node: str, vmid: int, action: str, parameters: Options) -> str:
        return self._begin("post", node, vmid, "status", action, verb=action, parameters=parameters)

    def _begin(
        self,
        method: str,
        node: str,
        vmid: int,
        *leaf: str,
        verb: str,
        parameters: Options,
        about: int | None = None,
    ) -> str:
        call = self._change(method, node, vmid, *leaf, verb=verb, parameters=parameters, about=about)
        return self._connection.call(call, lambda data: parse_upid(data).text)

    @staticmethod
    def _change(
        method: str,
        node: str,
        vmid: int,
        *leaf: str,
        verb: str,
        parameters: Options,
        about: int | None = None,
    ) -> Call:
        # Booleans as 0 or 1: PVE refuses Python's True.
        sent = {key: int(value) if isinstance(value, bool) else value for key, value in parameters.items()}
        path: tuple[str | int, ...] = ("nodes", checked("node", node), "qemu", checked_vmid(vmid), *leaf)
        return Call(method, path, f"{verb} VM {about or vmid}", node, sent)
