"""Writing explanations and dry runs for people."""

from typing import Any

from rich.markup import escape

from orchestrator.cli.console import out, print_json, status


def show(told: dict[str, Any], *, as_json: bool) -> None:
    """What a VM waits for."""
    if as_json:
        print_json(told)
        return
    place = told["place_in_line"] and f"{told['place_in_line']} of {told['line_length']}"
    _lines(
        [
            ("status", status(told["status"])),
            ("reason", told["reason"]),
            ("waits for", _text(told["waits_for"])),
            ("since", told["since"]),
            ("place in line", place),
            *_listed("in its way", told["blocked_by"]),
            *_listed("would help", told["would_free_it"]),
            ("estimate", _estimate(told["estimate_seconds"], told["estimate_basis"])),
            ("next try", told["next_try_at"]),
        ]
    )


def show_dry_run(told: dict[str, Any], *, as_json: bool) -> None:
    """What a request would come to."""
    if as_json:
        print_json(told)
        return
    refusal, price, displaced = told["refusal"], told["price"], told["displaced"]
    places = ", ".join(f"NUMA node {gpu['numa_node']} root {gpu['pcie_root']}" for gpu in told["gpus"])
    _lines(
        [
            ("admitted", "[green]yes[/green]" if told["admitted"] else "[red]no[/red]"),
            ("because", refusal and escape(f"{refusal['detail']} ({refusal['code']})")),
            ("GPUs at once", _text(places)),
            ("GPUs to wait for", told["gpus_to_wait_for"] or None),
            ("place in line", told["place_in_line"]),
            (
                "displaces",
                displaced
                and f"{displaced['vms']} VMs with {displaced['gpus']} GPUs, "
                f"after a notice of {displaced['notice_seconds']:g} s",
            ),
            ("per hour", price and f"{price['hourly_rate']:.4f}"),
            ("deposit", price and price["deposit_required"]),
            (
                "runs in",
                _estimate(told["earliest_start_in_seconds"], told["estimate_basis"]),
            ),
            *_listed("would help", told["would_admit_it"]),
        ]
    )


def _lines(lines: list[tuple[str, Any]]) -> None:
    for name, value in lines:
        if value is not None:
            out.print(f"[dim]{name:>16}[/dim]  {value}")


def _listed(name: str, items: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    names = [name, *[""] * len(items)]
    return [(beside, escape(item["text"])) for beside, item in zip(names, items, strict=False)]


def _estimate(seconds: int | None, basis: str | None) -> str | None:
    if basis is None:
        return None
    return f"{seconds} s: {escape(basis)}" if seconds is not None else f"unknown: {escape(basis)}"


def _text(value: str | None) -> str | None:
    return escape(value) if value else None
