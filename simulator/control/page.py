"""The page at `/`: nodes, cards, VMs and tasks, renewed every two seconds."""

from html import escape
from string import Template
from typing import Any

REFRESH = 2

_PAGE = Template("""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="$refresh">
<title>$cluster: simulated Proxmox VE</title>
<style>
:root{--text:#1d2433;--soft:#5b6476;--line:#e4e7ee;--page:#fff;--free:#e2f2e6;--used:#cfdcff;--dead:#ffd6d1}
@media(prefers-color-scheme:dark){
:root{--text:#dfe3ec;--soft:#98a2b5;--line:#2b3140;--page:#14171f;--free:#1f3a2a;--used:#26376b;--dead:#5c2622}}
body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}
body{color:var(--text);background:var(--page)}
h1{font-size:1.3rem}
h2{font-size:1rem;margin:1.6rem 0 .4rem}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th,.muted{color:var(--soft);font-weight:600}
.gpu{display:inline-block;min-width:4.5em;padding:0 .4em;margin:.1em;border-radius:.3em;text-align:center}
.gpu{background:var(--free)}
.gpu.used{background:var(--used)}
.gpu.dead{background:var(--dead)}
</style></head><body>
<h1>Simulated Proxmox VE, cluster $cluster$quorum</h1>
<h2>Nodes</h2>$nodes
<h2>VMs</h2>$vms
<h2>Tasks</h2>$tasks
<h2>Armed faults</h2>$faults
</body></html>
""")


def page(state: dict[str, Any]) -> str:
    """The page as HTML."""
    return _PAGE.substitute(
        refresh=REFRESH,
        cluster=escape(state["cluster"]),
        quorum="" if state["quorate"] else ": no quorum",
        nodes=_table(("node", "state", "GPUs", "VMs"), map(_node, state["nodes"])),
        vms=_table(("VMID", "name", "node", "state", "address", "GPUs"), map(_vm, _guests(state))),
        tasks=_table(("node", "type", "id", "status"), map(_task, state["tasks"])),
        faults=_table(("number", "fault", "struck"), map(_fault, state["faults"])),
    )


def _guests(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [vm for vm in state["vms"] if not vm["template"]]


def _table(head: tuple[str, ...], rows: Any) -> str:
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    if not body:
        return '<p class="muted">none</p>'
    return "<table><tr>" + "".join(f"<th>{name}</th>" for name in head) + f"</tr>{body}</table>"


def _node(node: dict[str, Any]) -> tuple[str, ...]:
    state = "online" if node["online"] else "<b>offline</b>"
    return escape(node["name"]), state, "".join(map(_gpu, node["gpus"])), str(node["vms"])


def _gpu(gpu: dict[str, Any]) -> str:
    bad = "missing" if gpu["missing"] else "dead" if gpu["dead"] else ""
    kind = "dead" if bad else "used" if gpu["vmid"] else ""
    text = bad or (str(gpu["vmid"]) if gpu["vmid"] else "free")
    return f'<span class="gpu {kind}" title="{escape(gpu["address"])} {escape(gpu["product"])}">{text}</span>'


def _vm(vm: dict[str, Any]) -> tuple[str, ...]:
    reach = [name for name in ("agent", "ssh") if vm[name]]
    state = vm["status"] + (f", locked ({escape(vm['lock'])})" if vm["lock"] else "")
    state += f' <span class="muted">{" ".join(reach)}</span>' if reach else ""
    address = escape(vm["address"] or "")
    return (
        str(vm["vmid"]),
        escape(vm["name"]),
        escape(vm["node"]),
        state,
        address,
        escape(" ".join(vm["gpus"])),
    )


def _task(task: dict[str, Any]) -> tuple[str, ...]:
    return escape(task["node"]), escape(task["type"]), escape(task["id"]), escape(task["status"] or "running")


def _fault(fault: dict[str, Any]) -> tuple[str, ...]:
    wanted = ("method", "path", "node", "vmid", "times", "probability")
    aim = " ".join(f"{name}={fault[name]}" for name in wanted if fault[name] not in (None, 1.0))
    return str(fault["number"]), escape(f"{fault['name']} {aim}"), str(fault["struck"])
