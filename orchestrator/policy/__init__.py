"""Decisions of the scheduler as pure functions over snapshots; the lab runs the same code."""
