"""Users, their SSH keys and API keys."""
