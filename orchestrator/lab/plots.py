"""Pictures of a comparison, as SVG."""

from collections.abc import Mapping
from pathlib import Path

from orchestrator.errors import ConfigurationError
from orchestrator.lab.metrics import Figure

PANELS = {
    "interruptions_per_vm_hour": "interruptions per VM-hour",
    "thrash": "interruptions within 600 s of a restart",
    "wait_mean_s": "on-demand wait, mean (s)",
    "queued_mean_s": "interruptible wait, mean (s)",
    "down_p50_s": "downtime, median (s)",
    "utilisation_percent": "utilisation (%)",
}
WIDTH, HEIGHT = 12, 7


def draw(results: Mapping[str, Mapping[str, Figure]], title: str, path: Path) -> None:
    """One panel for each metric that matters most, with standard errors.

    Raises ConfigurationError without matplotlib, which the extra `lab` installs.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure as Canvas
    except ImportError:
        raise ConfigurationError("Pictures need matplotlib: pip install 'innkeeper[lab]'.") from None
    mpl.rcParams["svg.hashsalt"] = "innkeeper"  # the same picture is the same file
    mpl.rcParams["svg.fonttype"] = "none"  # text stays text, which is a fifth of the size
    canvas = Canvas(figsize=(WIDTH, HEIGHT), layout="constrained")
    canvas.suptitle(title)
    names = list(results)
    for axes, (metric, label) in zip(canvas.subplots(2, 3).flat, PANELS.items(), strict=True):
        figures = [results[name][metric] for name in names]
        colours = ["tab:blue" if name == "ours" else "tab:gray" for name in names]
        axes.barh(names, [one.mean for one in figures], xerr=[one.error for one in figures], color=colours)
        axes.invert_yaxis()
        axes.set_title(label, fontsize="medium")
    canvas.savefig(path, metadata={"Date": None})
