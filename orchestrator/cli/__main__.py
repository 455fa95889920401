"""`python -m orchestrator.cli`: the same as `innkeeper`."""

from orchestrator.cli.main import run

run()
