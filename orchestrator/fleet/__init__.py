"""The fleet: what the hypervisors show against what is remembered; draining, findings, strikes of GPUs."""
