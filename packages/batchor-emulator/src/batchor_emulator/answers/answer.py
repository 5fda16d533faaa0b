"""Answers one request of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from batchor_emulator.answers.body_check import Body
from batchor_emulator.answers.chat import answer_chat
from batchor_emulator.answers.embeddings import answer_embeddings
from batchor_emulator.answers.reply import Reply
from batchor_emulator.answers.request_fault import RequestFaultError
from batchor_emulator.answers.responses import answer_responses


class Endpoint(Protocol):
    """Answers a body; *name* makes the ids in the answer its own. Raises `RequestFaultError`."""

    def __call__(self, body: Body, *, name: str, created_at: int) -> Reply: ...


@dataclass(frozen=True, slots=True)
class Answered:
    """What goes under `response`, and what it counts."""

    status_code: int
    body: dict[str, object]
    input_tokens: int = 0
    output_tokens: int = 0


ENDPOINTS: Mapping[str, Endpoint] = {
    "/v1/responses": answer_responses,
    "/v1/chat/completions": answer_chat,
    "/v1/embeddings": answer_embeddings,
}


def answer(endpoint: str, body: Body, *, name: str, created_at: int) -> Answered:
    """Answer *body*; a fault of the body becomes an answer with its status code."""
    try:
        reply = ENDPOINTS[endpoint](body, name=name, created_at=created_at)
    except RequestFaultError as fault:
        return Answered(fault.status, fault.body())
    return Answered(200, reply.body, reply.input_tokens, reply.output_tokens)
