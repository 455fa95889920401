"""Recorded exchanges with a real Proxmox VE, played against the simulator and compared.

The recordings are not part of the project; any folder in their format will do.
"""
