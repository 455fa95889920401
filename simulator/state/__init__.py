"""What the cluster remembers: plain data with no clock of its own, kept in the state file."""
