"""GPUs: claims, choice of cards by topology, quarantine."""
