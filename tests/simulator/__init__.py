"""Tests of the simulated Proxmox VE, through real HTTP and real SSH."""
