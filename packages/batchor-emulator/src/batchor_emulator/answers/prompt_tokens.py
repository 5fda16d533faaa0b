"""The prompt tokens of a request that was not answered yet: what its answer's usage will say."""

from __future__ import annotations

from batchor_emulator.answers.prompt import MESSAGE_TOKENS, message_texts, text_of, token_count


def prompt_tokens(endpoint: str, body: dict[str, object]) -> int:
    """The estimate for a body of *endpoint*."""
    if endpoint == "/v1/chat/completions":
        texts = message_texts(body.get("messages"))
        return token_count("".join(texts)) + MESSAGE_TOKENS * len(texts)
    prompt = body.get("input")
    if endpoint == "/v1/embeddings":
        texts = [prompt] if isinstance(prompt, str) else _strings(prompt)
        return sum(token_count(text) for text in texts)
    text = prompt if isinstance(prompt, str) else "".join(message_texts(prompt))
    instructions = body.get("instructions")
    return token_count(text + text_of(instructions) if instructions else text)


def _strings(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
