"""The prompt tokens that are enqueued, by model."""

from __future__ import annotations


class TokenLedger:
    """Counts prompt tokens of batches that were accepted and have not ended.

    Belongs to the event loop's thread: nothing comes between the check of a limit and the entry.
    """

    def __init__(self) -> None:
        self.enqueued: dict[str, int] = {}
        """Prompt tokens now, by model."""
        self.highest: dict[str, int] = {}
        """The most prompt tokens at one time since the start, by model."""
        self._entries: dict[str, tuple[str, int]] = {}

    def enqueue(self, batch_id: str, model: str | None, tokens: int, *, limit: int | None) -> bool:
        """Enter a batch; False, and nothing is entered, when the model would have more than *limit*."""
        name = model or ""
        after = self.enqueued.get(name, 0) + tokens
        if limit is not None and after > limit:
            return False
        self._entries[batch_id] = (name, tokens)
        self.enqueued[name] = after
        self.highest[name] = max(after, self.highest.get(name, 0))
        return True

    def release(self, batch_id: str) -> None:
        """Take out a batch that has ended; nothing happens when it was never entered."""
        name, tokens = self._entries.pop(batch_id, ("", 0))
        if tokens:
            self.enqueued[name] -= tokens
