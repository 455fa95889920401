"""The `innkeeper` command."""
