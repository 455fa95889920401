"""Acts on the world: one worker pool per node, one file per step, the only users of Proxmox VE and SSH."""
