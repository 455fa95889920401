"""The HTTP API: routes and views. What they do is in intake, vms, catalog and accounts."""
