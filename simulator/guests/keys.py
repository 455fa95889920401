"""SSH keys: host keys of guests, and the validation of public keys."""

import asyncssh


def new_host_key() -> str:
    """A fresh Ed25519 host key in OpenSSH form."""
    return asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()


def is_public_key(line: str) -> bool:
    """Is this a line of an authorized_keys file that ssh-keygen would accept?"""
    try:
        asyncssh.import_authorized_keys(line)
    except ValueError:
        return False
    return True
