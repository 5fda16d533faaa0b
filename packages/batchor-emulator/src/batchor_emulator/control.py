"""Speaks with the control routes of an emulator on this machine."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TIMEOUT_S = 60.0


class EmulatorControlError(RuntimeError):
    """The emulator refused what a control route was asked for; the message holds its answer."""


@dataclass(frozen=True, slots=True)
class EnqueuedTokens:
    """Prompt tokens of batches that were accepted and have not ended, by model."""

    enqueued: dict[str, int]
    highest: dict[str, int]


@dataclass(frozen=True, slots=True)
class EmulatorControl:
    """Raises `OSError` when no emulator listens on the port, and `EmulatorControlError`."""

    port: int

    def set_faults(self, profile: bytes) -> None:
        """Put the JSON of a profile in force."""
        self._ask("PUT", "/emulator/faults", profile)

    def struck(self) -> dict[str, int]:
        """How often each fault has struck, by its place in the profile."""
        return dict(self._ask("GET", "/emulator/faults/struck"))

    def calls(self) -> dict[str, int]:
        """How often each route was called."""
        return dict(self._ask("GET", "/emulator/requests"))

    def tokens(self) -> EnqueuedTokens:
        """The enqueued prompt tokens."""
        return EnqueuedTokens(**self._ask("GET", "/emulator/tokens"))

    def add_foreign_batches(self, count: int, metadata: Mapping[str, str] | None) -> list[str]:
        """Add other teams' batches; returns their ids."""
        body = {"count": count, "metadata": None if metadata is None else dict(metadata)}
        return list(self._ask("POST", "/emulator/foreign-batches", json.dumps(body).encode())["batch_ids"])

    def _ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        # Not urllib: it would send a loopback address through the proxy that the environment names.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise EmulatorControlError(f"{method} {path}: {response.status} {content.decode('utf-8', 'replace')}")
        return json.loads(content)
