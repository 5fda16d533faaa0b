"""Finds the text that a request asks about, and answers it."""

from __future__ import annotations

from batchor_emulator.answers.draw import Draw

_BYTES_PER_TOKEN = 4
MESSAGE_TOKENS = 4
_ECHOED_CHARACTERS = 160
_ECHOED_WORDS = 16


def token_count(text: str) -> int:
    """An estimate: a token has four UTF-8 bytes; no text has less than one."""
    byte_count = len(text) if text.isascii() else len(text.encode())
    return max(1, -(-byte_count // _BYTES_PER_TOKEN))


def cut_to_tokens(text: str, max_tokens: int) -> str:
    """The longest beginning of *text* with at most *max_tokens* tokens."""
    return text.encode()[: max_tokens * _BYTES_PER_TOKEN].decode("utf-8", "ignore")


def text_of(content: object) -> str:
    """The text in a message's content: a string, or a list of parts of which some have text."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(
            part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    return ""


def message_texts(messages: object) -> list[str]:
    """The texts of a list of messages, in their order."""
    if not isinstance(messages, list):
        return []
    return [text_of(message.get("content")) for message in messages if isinstance(message, dict)]


def sentence_about(prompt: str, draw: Draw) -> str:
    """An answer that shows which prompt it belongs to: its first words and the body's fingerprint."""
    words = " ".join(prompt[:_ECHOED_CHARACTERS].split()[:_ECHOED_WORDS])
    return f"You wrote: {words} (answer {draw.fingerprint})"
