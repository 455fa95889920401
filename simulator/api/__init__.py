"""PVE's API: one module per part of its tree, each with a table of its endpoints."""
