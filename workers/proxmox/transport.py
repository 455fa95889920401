"""HTTP(S) to one PVE endpoint, underneath proxmoxer: what is trusted, and what counts as an answer.

proxmoxer 2.3.0 is used by its parts (resource, session, token auth): its `ProxmoxAPI` front always speaks
https, drops everything beside `data`, takes an HTML page for data and breaks on a JSON list.
"""

import json
import logging
import re
import ssl
import warnings
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from orchestrator.errors import ConfigurationError
from workers.proxmox.access import ClusterAccess

# Importing proxmoxer's https backend switches urllib3's warnings off in the whole process: not here.
with warnings.catch_warnings():
    from proxmoxer.backends.https import ProxmoxHTTPApiTokenAuth, ProxmoxHttpSession
    from proxmoxer.core import ProxmoxResource, ResourceException

__all__ = ["Answer", "Endpoint", "NoPveAnswerError", "ResourceException", "trust"]

# At INFO they write every request with its parameters, passwords included. Should somebody have raised it:
for _name in ("proxmoxer.core", "proxmoxer.backends.https"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_EXCERPT = 80


class NoPveAnswerError(Exception):
    """A success status, but not the JSON of a PVE API: a proxy's page, another service, a redirect."""


@dataclass(frozen=True)
class Answer:
    """The body of a success: `data`, and the number of all rows where PVE gives it (task lists, logs)."""

    data: Any
    total: int | None


class _WholeAnswer:
    """proxmoxer's serializer, but strict, and keeping what PVE sends beside `data`."""

    def loads(self, response: requests.Response) -> Answer:
        body = _json_object(response)
        if body is None or "data" not in body:
            raise NoPveAnswerError(
                f"answers {response.status_code} with {response.headers.get('Content-Type', 'no type')}: "
                f"{re.sub(r'[^ -~]+', ' ', response.text[:_EXCERPT])!r}"
            )
        total = body.get("total")
        return Answer(data=body["data"], total=total if isinstance(total, int) else None)

    def loads_errors(self, response: requests.Response) -> dict[str, Any]:
        return _json_object(response) or {}


def _json_object(response: requests.Response) -> dict[str, Any] | None:
    try:
        body = json.loads(response.content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


class _TrustingAdapter(HTTPAdapter):
    """Trusts what the given TLS context and fingerprint say, and nothing that requests would add (certifi's
    bundle).
    """

    def __init__(self, context: ssl.SSLContext, fingerprint: str | None) -> None:
        self._pool_options: dict[str, Any] = {"ssl_context": context, "assert_fingerprint": fingerprint}
        super().__init__(pool_maxsize=32)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs, **self._pool_options)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        host, _requests_own_tls = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """The context has it all."""


def trust(access: ClusterAccess) -> ssl.SSLContext:
    """The TLS context for a cluster. Raises ConfigurationError when the CA file cannot be read."""
    try:
        context = ssl.create_default_context(cafile=access.ca_file)
    except (OSError, ssl.SSLError) as err:
        raise ConfigurationError(
            f"cluster {access.id}: the CA file {access.ca_file} cannot be used: {err}"
        ) from err
    if access.fingerprint and not access.ca_file:
        # The pin takes the place of the CA: PVE's own certificates are self-signed.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Endpoint:
    """One address of a cluster. `root` is proxmoxer's resource at /api2/json, over connections that are kept
    open.
    """

    def __init__(
        self, address: str, access: ClusterAccess, context: ssl.SSLContext, *, timeout: tuple[float, float]
    ) -> None:
        """`timeout`: seconds to connect, and seconds without a byte of the answer."""
        session = ProxmoxHttpSession()
        # The way to a cluster is what the catalog says: no proxies or bundles from the environment of the
        # process.
        session.trust_env = False
        session.max_redirects = 0
        session.auth = ProxmoxHTTPApiTokenAuth(
            access.token_user, access.token_name, access.token_secret, verify_ssl=True, timeout=timeout
        )
        session.mount("https://", _TrustingAdapter(context, access.fingerprint))
        self._session = session
        self.root = ProxmoxResource(
            base_url=f"{address.rstrip('/')}/api2/json", session=session, serializer=_WholeAnswer()
        )

    def __enter__(self) -> "Endpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open; the endpoint may be used again."""
        self._session.close()
