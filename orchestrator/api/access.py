"""Who may call a route, and how often: what stands before each route that is not public."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from orchestrator.accounts.identity import Identity
from orchestrator.api.rate_limits import LimitClass
from orchestrator.api.services import Parts
from orchestrator.errors import ScopeMissing, Unauthenticated

bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT or nv_… API key",
    description="A JWT of the configured issuer, or an API key (`nv_live_…`).",
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


def allow(limit_class: LimitClass, *scopes: str) -> Callable[[Parts, Credentials], Identity]:
    """A dependency: the caller has one of `scopes` and stays below the rate of `limit_class`."""

    def admit(parts: Parts, credentials: Credentials) -> Identity:
        if credentials is None:
            raise Unauthenticated("Send `Authorization: Bearer <token>` with a JWT or an API key.")
        identity = parts.authenticator.identify(credentials.credentials)
        parts.limiter.count(limit_class, identity.user_id)
        if identity.scopes.isdisjoint(scopes):
            raise ScopeMissing(
                f"This call needs the scope {' or '.join(scopes)}.", facts={"scopes_allowed": list(scopes)}
            )
        return identity

    return admit


Reader = Annotated[Identity, Depends(allow(LimitClass.READS, "read_write", "read_only"))]
Accountant = Annotated[Identity, Depends(allow(LimitClass.READS, "read_write", "read_only", "billing_only"))]
Changer = Annotated[Identity, Depends(allow(LimitClass.CHANGES, "read_write"))]
KeyMaker = Annotated[Identity, Depends(allow(LimitClass.LOGIN, "read_write"))]
