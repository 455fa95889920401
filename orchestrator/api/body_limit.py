"""A bound on the size of request bodies, counted as they arrive."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 64 * 1024
"""The largest body that means anything is an SSH key of 16 000 characters."""


class BodyLimit:
    """ASGI middleware: whoever reads past the bound gets a 413."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MAX_BODY_BYTES:
                raise HTTPException(413, f"A request body has at most {MAX_BODY_BYTES} bytes.")
            return message

        await self._app(scope, counted, send)
