"""How to reach one Proxmox VE cluster: its doors, our token, and what its certificate must look like."""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from orchestrator.errors import ConfigurationError

_TOKEN_ID = re.compile(r"[^\s:/!@]+@[A-Za-z][A-Za-z0-9.\-_]+![A-Za-z][A-Za-z0-9.\-_]+")
# What fits into a header as it is: a blank or newline would end up in an error text of the HTTP library.
_SECRET = re.compile(r"[!-~]+")
_SHA256 = re.compile(r"[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}")


@dataclass(frozen=True)
class ClusterAccess:
    """One cluster's API. Any endpoint answers for all nodes; the next is used when one does not connect.

    `endpoints` are `https://host:8006`; `http://` is for a TLS-terminating proxy on the same machine or a
    simulator. Certificates are verified against the system's CAs unless `ca_file` (a PEM file, for PVE's own
    CA /etc/pve/pve-root-ca.pem) or `fingerprint` (SHA-256 of the server's certificate, `AA:BB:…`) is given. A
    fingerprint alone replaces the CA check, since PVE's certificates are self-signed; with `ca_file` both
    must hold.

    Raises ConfigurationError when a value has the wrong shape; no text repeats the secret.
    """

    id: str
    endpoints: tuple[str, ...]
    token_id: str
    token_secret: str = field(repr=False)
    ca_file: str | None = None
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        if not self.endpoints:
            raise ConfigurationError(f"cluster {self.id}: no endpoint is given")
        for endpoint in self.endpoints:
            _check_endpoint(self.id, endpoint)
        if not _TOKEN_ID.fullmatch(self.token_id):
            raise ConfigurationError(f"cluster {self.id}: the token id must look like user@realm!name")
        if not _SECRET.fullmatch(self.token_secret):
            raise ConfigurationError(f"cluster {self.id}: the token secret is empty or has blanks in it")
        if self.fingerprint is not None and not _SHA256.fullmatch(self.fingerprint):
            raise ConfigurationError(
                f"cluster {self.id}: the fingerprint must be a SHA-256 of 32 bytes in hex, like AA:BB:…"
            )

    @property
    def token_user(self) -> str:
        """`user@realm` of the token."""
        return self.token_id.partition("!")[0]

    @property
    def token_name(self) -> str:
        """The token's own name, after the exclamation mark."""
        return self.token_id.partition("!")[2]


def _check_endpoint(cluster: str, endpoint: str) -> None:
    wanted = f"cluster {cluster}: the endpoint must look like https://host:8006"
    try:
        parts = urlsplit(endpoint)
        # Reading the port checks it.
        complete = parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError as err:
        raise ConfigurationError(f"{wanted} ({err})") from err
    if (
        parts.scheme not in ("http", "https")
        or not complete
        or parts.username
        or parts.query
        or parts.fragment
    ):
        raise ConfigurationError(wanted)
    if parts.path not in ("", "/"):
        raise ConfigurationError(f"{wanted}, without a path")
