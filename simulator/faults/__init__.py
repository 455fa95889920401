"""What can be made to go wrong, by name."""
