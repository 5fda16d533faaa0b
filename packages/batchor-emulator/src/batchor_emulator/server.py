"""Runs the application on a socket, and says so once it listens."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import override

import uvicorn

from batchor_emulator.settings import Settings
from batchor_emulator.state.private_files import write_atomically
from batchor_emulator.web.app import create_app
from batchor_emulator.web.connection import DroppableConnection

_SWITCH_INTERVAL_S = 0.001
_GRACEFUL_SHUTDOWN_S = 1
_BACKLOG = 512


class AnnouncingServer(uvicorn.Server):
    """A uvicorn server that prints its URL, and writes its ready file, once it can be called."""

    def __init__(self, config: uvicorn.Config, *, url: str, ready_file: Path | None) -> None:
        super().__init__(config)
        self._url = url
        self._ready_file = ready_file

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.should_exit:
            return
        print(f"batchor-emulator listens on {self._url}", flush=True)  # noqa: T201 (the promised line)
        if self._ready_file is not None:
            # Whoever waits for the file may remove its folder as soon as it has its name.
            write_atomically(self._ready_file, json.dumps({"url": self._url, "pid": os.getpid()}).encode())


def serve(settings: Settings, *, host: str, port: int, ready_file: Path | None) -> None:
    """Serve until SIGTERM or SIGINT. Port 0 takes a free one.

    Raises `StateDirError`, and `OSError` when the address can't be used.
    """
    # Row work holds the interpreter for milliseconds at a time; polls must not wait for that.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # a bad form is answered, not logged
    app = create_app(settings)
    with _listening_socket(host, port) as listener:
        name = f"[{host}]" if ":" in host else host
        config = uvicorn.Config(
            app,
            http=DroppableConnection,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACEFUL_SHUTDOWN_S,
        )
        url = f"http://{name}:{listener.getsockname()[1]}"
        AnnouncingServer(config, url=url, ready_file=ready_file).run(sockets=[listener])


def stop_when_stdin_ends() -> None:
    """End this process when the other end of its standard input is closed.

    The kernel closes a parent's pipe however the parent dies, SIGKILL included.
    """

    def watch() -> None:
        while os.read(0, 4_096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="stdin-watch", daemon=True).start()


def _listening_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol; else each answer waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener
