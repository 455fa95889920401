"""A VM's configuration as the text of its file, whose SHA-1 is the digest that callers compare."""

import hashlib

from simulator.state.vms import Vm


def conf_text(vm: Vm) -> str:
    """The file under /etc/pve/nodes/<node>/qemu-server: description first, then options, then sections."""
    lines = _options(vm.config)
    if vm.pending or vm.pending_delete:
        lines += ["", "[PENDING]", *_options(vm.pending)]
        lines += [f"delete: {','.join(sorted(vm.pending_delete))}"] if vm.pending_delete else []
    for name, snapshot in sorted(vm.snapshots.items()):
        lines += ["", f"[{name}]", *_options(snapshot.config), f"snaptime: {snapshot.created}"]
    if vm.current_snapshot:
        lines.append(f"parent: {vm.current_snapshot}")
    return "\n".join(lines) + "\n"


def digest(vm: Vm) -> str:
    """SHA-1 of the file."""
    return hashlib.sha1(conf_text(vm).encode(), usedforsecurity=False).hexdigest()


def _options(config: dict[str, str]) -> list[str]:
    description = [f"#{line}" for line in config.get("description", "").splitlines()]
    return description + [
        f"{name}: {value}" for name, value in sorted(config.items()) if name != "description"
    ]
