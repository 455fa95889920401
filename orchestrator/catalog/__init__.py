"""Clusters, nodes, GPUs, templates and prices: one TOML file, applied to the database."""
