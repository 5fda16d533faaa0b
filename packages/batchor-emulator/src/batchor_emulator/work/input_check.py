"""Checks an input file as a whole, the way the Batch API does before it runs anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson

from batchor_emulator.answers.prompt_tokens import prompt_tokens
from batchor_emulator.settings import Limits
from batchor_emulator.state.batch_record import InputFault

_BOM = b"\xef\xbb\xbf"
_MAX_FAULTS = 1_000


@dataclass(frozen=True, slots=True)
class AcceptedInput:
    """What is known of an input file without faults."""

    request_count: int
    model: str | None
    prompt_tokens: int


class InputCheck:
    """Checks one file in slices, so that many batches can share few threads.

    Call `advance` until it returns True; then `faults` holds what is wrong, or `accepted` the
    outcome. At most 1,000 faults are reported.
    """

    def __init__(self, path: Path, *, endpoint: str, limits: Limits) -> None:
        self.faults: list[InputFault] = []
        self._endpoint = endpoint
        self._limits = limits
        self._size_bytes = path.stat().st_size
        self._file = path.open("rb")
        self._lines = self._numbered_lines()
        self._seen: set[str] = set()
        self._model: str | None = None
        self._count = 0
        self._embedding_inputs = 0
        self._prompt_tokens = 0

    @property
    def accepted(self) -> AcceptedInput:
        """The outcome, for a file without faults."""
        return AcceptedInput(self._count, self._model, self._prompt_tokens)

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def advance(self, line_count: int) -> bool:
        """Check the next lines; True when the check has ended."""
        if self._count == 0 and self._has_unusable_bytes():
            return True
        slice_ = list(islice(self._lines, line_count))
        for number, line in slice_:
            self._check_line(number, line)
            if self._has_enough():
                return True
        if len(slice_) == line_count:
            return False
        self._check_whole()
        return True

    def _has_unusable_bytes(self) -> bool:
        if self._size_bytes > self._limits.max_file_bytes:
            self._fault("file_too_large", f"The file has more than {self._limits.max_file_bytes:,} bytes.")
        elif self._size_bytes == 0:
            self._fault("empty_file", "The input file is empty. Please provide a file with at least one request.")
        elif self._file.peek(len(_BOM)).startswith(_BOM):
            self._fault("invalid_json_line", "The file starts with a byte order mark; use UTF-8 without one.", line=1)
        return bool(self.faults)

    def _numbered_lines(self) -> Iterator[tuple[int, bytes]]:
        number = 0
        while line := self._file.readline(self._limits.max_line_bytes):
            number += 1
            yield number, line

    def _has_enough(self) -> bool:
        if self._count > self._limits.max_requests:
            self.faults = [
                InputFault(
                    "too_many_requests",
                    f"The file has more than {self._limits.max_requests:,} requests; split it into several batches.",
                )
            ]
            return True
        return len(self.faults) >= _MAX_FAULTS

    def _check_whole(self) -> None:
        if self._embedding_inputs > self._limits.max_embedding_inputs:
            self._fault(
                "too_many_embedding_inputs",
                f"The requests have more than {self._limits.max_embedding_inputs:,} inputs together.",
            )

    def _check_line(self, number: int, raw: bytes) -> None:
        self._count += 1
        try:
            line = orjson.loads(raw)
        except orjson.JSONDecodeError:
            line = None
        if not isinstance(line, dict):
            self._fault("invalid_json_line", "This line is not parseable as valid JSON.", line=number)
            return
        self._check_custom_id(number, line.get("custom_id"))
        self._check_target(number, line)
        body = line.get("body")
        if not isinstance(body, dict):
            self._fault("missing_required_parameter", "Missing required parameter: 'body'.", "body", number)
            return
        self._check_model(number, body.get("model"))
        self._prompt_tokens += prompt_tokens(self._endpoint, body)
        if self._endpoint == "/v1/embeddings":
            inputs = body.get("input")
            self._embedding_inputs += len(inputs) if isinstance(inputs, list) else 1

    def _check_custom_id(self, number: int, custom_id: object) -> None:
        if not isinstance(custom_id, str) or not custom_id:
            self._fault("missing_required_parameter", "Missing required parameter: 'custom_id'.", "custom_id", number)
        elif custom_id in self._seen:
            self._fault(
                "duplicate_custom_id",
                f"The custom_id {custom_id!r} is a duplicate of another request. "
                "The custom_id must be unique for each request in a batch.",
                "custom_id",
                number,
            )
        else:
            self._seen.add(custom_id)

    def _check_target(self, number: int, line: dict[str, object]) -> None:
        if line.get("method") != "POST":
            self._fault("invalid_method", "The method of a request must be 'POST'.", "method", number)
        if line.get("url") != self._endpoint:
            self._fault(
                "invalid_url",
                f"The URL provided for this request does not match the batch endpoint {self._endpoint!r}.",
                "url",
                number,
            )

    def _check_model(self, number: int, model: object) -> None:
        if not isinstance(model, str):
            return  # a fault of the request alone: it gets its own answer
        if self._model is None:
            self._model = model
        elif model != self._model:
            self._fault(
                "mismatched_model",
                f"The model {model!r} is not that of the requests before it, {self._model!r}; "
                "all requests of a batch must use one model.",
                "body.model",
                number,
            )

    def _fault(self, code: str, message: str, param: str | None = None, line: int | None = None) -> None:
        self.faults.append(InputFault(code, message, param, line))
