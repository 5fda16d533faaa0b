"""HTTP connections that a handler can cut."""

from __future__ import annotations

import asyncio
from typing import Any, override

import uvicorn
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

_STATE_KEY = "connection"


class DroppableConnection(H11Protocol):
    """uvicorn's connection, which hands itself to the handlers of its requests."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, _STATE_KEY: self}, _loop)
        self._lost = asyncio.Event()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._lost.set()

    async def drop(self) -> None:
        """Send what has been written, and close; nothing that is written later is sent."""
        self.transport.close()
        # uvicorn takes a request whose connection it has seen end for answered, and stays silent.
        await self._lost.wait()


def connection_of(scope: Scope) -> DroppableConnection:
    """The connection that a request came over."""
    connection = scope["state"][_STATE_KEY]
    if not isinstance(connection, DroppableConnection):
        raise TypeError("the server does not run on DroppableConnection")
    return connection
