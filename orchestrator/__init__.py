"""Decides and remembers: catalog, intake, VMs, GPUs, scheduler, queue, store, API and command line.

Nothing here talks to Proxmox VE or SSH; that is `workers`.
"""
