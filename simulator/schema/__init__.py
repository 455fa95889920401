"""Checking of parameters, with PVE's own words for what is wrong."""
