"""`innkeeper lab`: compare policies of reclaim and restore on a request trace."""

import string
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from orchestrator.cli.console import err, out, print_json, table
from orchestrator.errors import ConfigurationError
from orchestrator.lab import plots
from orchestrator.lab.compare import Setting, compare
from orchestrator.lab.metrics import Figure, Run, differences, summarise
from orchestrator.lab.policies import MAIN, POLICIES
from orchestrator.lab.trace import load
from orchestrator.lab.vms import Variant

Runs = dict[str, list[Run]]
Figures = dict[str, dict[str, Figure]]


def lab(
    trace: Annotated[Path, typer.Option(help="CSV of requests, gzipped or not; docs/lab.md has the formats")],
    nodes: Annotated[int, typer.Option(min=1, help="nodes of 8 GPUs")] = 88,
    policy: Annotated[
        list[str] | None, typer.Option(help=f"may be repeated; one of {', '.join(POLICIES)}, or all")
    ] = None,
    salts: Annotated[
        int, typer.Option(min=0, max=26, help="runs a, b, c …; 0: the reference labels alone")
    ] = 4,
    variant: Annotated[
        Variant,
        typer.Option(
            help="N: restarts on the same node; P: placement free; F: as N, but each request's node is drawn"
        ),
    ] = "N",
    share: Annotated[
        float, typer.Option("--p", min=0, max=1, help="share of interruptible requests, without classes")
    ] = 0.30,
    from_day: Annotated[float, typer.Option(help="first day that counts; the days before warm up")] = 42,
    to_day: Annotated[float, typer.Option(help="end of the days that count")] = 56,
    saves: Annotated[
        bool, typer.Option("--saves", help="guests save their work within the notice: nothing is lost")
    ] = False,
    shortest: Annotated[float, typer.Option(min=0, help="leave out requests of fewer seconds")] = 0,
    out_dir: Annotated[Path | None, typer.Option("--out", help="write the pictures there")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for scripts")] = False,
) -> None:
    """Compare policies of reclaim and restore on a request trace, in simulated time.

    Means and standard errors over the salts; then how far each policy lies above the one named first.
    """
    names = list(POLICIES) if policy == ["all"] else policy or list(MAIN)
    if unknown := set(names) - set(POLICIES):
        raise ConfigurationError(f"There is no policy {', '.join(sorted(unknown))}: {', '.join(POLICIES)}.")
    setting = Setting(
        nodes=nodes,
        variant=variant,
        share=share,
        from_day=from_day,
        to_day=to_day,
        salts=tuple(string.ascii_lowercase[:salts]) or ("",),
        saves=saves,
        shortest=shortest,
    )
    runs = _run(trace, setting, names)
    figures = {name: summarise(each) for name, each in runs.items()}
    against = {name: differences(runs[name], runs[names[0]]) for name in names[1:]}
    if out_dir is not None:
        out_dir.mkdir(parents=True, exist_ok=True)
        picture = out_dir / f"lab-{variant}-{nodes}.svg"
        plots.draw(figures, f"{trace.name}: {nodes} nodes, variant {variant}, p = {share}", picture)
        err.print(f"wrote {picture}")
    if as_json:
        print_json({"runs": runs, "figures": _plain(figures), f"minus_{names[0]}": _plain(against)})
        return
    _show(figures, "")
    if against:
        out.print(f"\nMinus {names[0]}, paired by salt:")
        _show(against, "+")


def _show(figures: Figures, sign: str) -> None:
    metrics = next(iter(figures.values()))
    table(["", *figures], [[key, *(_cell(one[key], sign) for one in figures.values())] for key in metrics])


def _plain(figures: Figures) -> dict[str, dict[str, dict[str, float]]]:
    return {name: {key: asdict(figure) for key, figure in one.items()} for name, one in figures.items()}


def _run(trace: Path, setting: Setting, names: list[str]) -> Runs:
    requests = load(trace)
    with Progress(console=err, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("", total=len(names) * len(setting.salts))
        shares: dict[tuple[str, str], float] = {}

        def told(name: str, salt: str, done: float) -> None:
            shares[name, salt] = done
            progress.update(bar, completed=sum(shares.values()), description=f"{name} {salt}")

        return compare(requests, setting, names, told)


def _cell(figure: Figure, sign: str) -> str:
    return f"{figure.mean:{sign}.4g} ± {figure.error:.2g}"
