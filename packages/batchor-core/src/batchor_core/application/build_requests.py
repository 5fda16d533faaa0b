"""From items to request lines: the user's `build_prompt`, then the provider's codec."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeGuard

from batchor_core.domain.item import BatchItem, PromptParts
from batchor_core.domain.job import BatchJob
from batchor_core.domain.results import ErrorClass, ItemFailure
from batchor_core.errors import PromptBuildError, RequestEncodingError
from batchor_core.ports.provider import RequestCodec


class RequestBuilder:
    """Makes the requests of one run. What can't be sent becomes an `ItemFailure` in its place."""

    def __init__(self, job: BatchJob[Any, Any], codec: RequestCodec, *, run_id: str, tag: str) -> None:
        # Looked up once, and not for each row.
        self._build_prompt = job.build_prompt
        self._fails_item = job.on_prompt_error == "fail_item"
        self._encode = codec.encode
        self._encode_many = codec.encode_many
        self._limit_bytes = job.chunk_policy.request_limit_bytes
        self._run_id = run_id
        self._id_head = f"{tag}-"

    def prompts(self, items: Iterable[BatchItem[Any]]) -> list[PromptParts | ItemFailure]:
        """What `build_prompt` makes of each item; `PromptBuildError` for the first that fails, where the job says so."""
        build, prompts = self._build_prompt, list[PromptParts | ItemFailure]()
        for item in items:
            try:
                prompt = build(item)
                prompts.append(prompt if type(prompt) is PromptParts else _checked_prompt(prompt))
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
                if not self._fails_item:
                    raise PromptBuildError(self._run_id, item.item_id, problem) from error
                prompts.append(ItemFailure(ErrorClass.PROMPT_FAILED, problem))
        return prompts

    def lines(self, prompts: Sequence[PromptParts | ItemFailure], first: int) -> Sequence[bytes | ItemFailure]:
        """The request line of each prompt; they are those of the items from index *first* on."""
        if are_all(prompts, PromptParts):
            with suppress(RequestEncodingError):
                lines = self._encode_many(self._id_head, first, prompts)
                if max(map(len, lines), default=0) <= self._limit_bytes:
                    return lines
        return self._one_by_one(prompts, first)

    def _one_by_one(self, prompts: Sequence[PromptParts | ItemFailure], first: int) -> list[bytes | ItemFailure]:
        encode, head, limit = self._encode, self._id_head, self._limit_bytes
        lines: list[bytes | ItemFailure] = []
        for index, prompt in enumerate(prompts, first):
            if isinstance(prompt, ItemFailure):
                lines.append(prompt)
                continue
            try:
                line = encode(f"{head}{index}", prompt)
            except RequestEncodingError as error:
                lines.append(ItemFailure(ErrorClass.INVALID_REQUEST, str(error)))
                continue
            lines.append(line if len(line) <= limit else _too_large(line, limit))
        return lines

    def line(self, item: BatchItem[Any], index: int) -> bytes | ItemFailure:
        """The request line of one item."""
        return self.lines(self.prompts((item,)), index)[0]


def are_all[T](values: Sequence[object], kind: type[T]) -> TypeGuard[Sequence[T]]:
    """Whether each of *values* is just of this type; asked of all together, at a third of the cost."""
    return set(map(type, values)) == {kind}


def _checked_prompt(prompt: object) -> PromptParts:
    if isinstance(prompt, PromptParts):
        return prompt
    if isinstance(prompt, str):
        return PromptParts(prompt)
    raise TypeError(f"it returned {type(prompt).__name__}; return PromptParts or a str")


def _too_large(line: bytes, limit: int) -> ItemFailure:
    problem = f"the request has {len(line)} bytes, the limit is {limit}; shorten the prompt"
    return ItemFailure(ErrorClass.REQUEST_TOO_LARGE, problem)
