"""Billing: reservations, what is used and at which rate, opened and closed by the VM's own transitions."""
