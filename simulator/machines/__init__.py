"""What happens to virtual machines: the work behind PVE's tasks and configuration calls."""
