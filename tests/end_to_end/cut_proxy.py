"""A TCP proxy whose cable can be cut: connections stay open, and nothing passes any more."""

import socket
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Self

_PIECE_BYTES = 65_536
_LOOK_S = 0.05


class CutProxy:
    """Forwards a free loopback port to *target_port*."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._whole = Event()
        self._whole.set()
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._whole.set()
        self._listener.close()

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target_port)) as server:
            back = Thread(target=self._forward, args=(server, client), daemon=True)
            back.start()
            self._forward(client, server)
            back.join()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(_PIECE_BYTES):
                self._whole.wait()
                target.sendall(data)
        except OSError:
            pass
        finally:
            # The other direction ends with this one.
            for each in (source, target):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
