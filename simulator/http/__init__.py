"""How PVE's API daemon speaks HTTP."""
