"""The inside of running VMs: cloud-init, the guest agent, and an SSH server at an address of its own."""
