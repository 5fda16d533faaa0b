"""Writes the text of an answer: a sentence, or a document that conforms to a schema."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock

import orjson

from batchor_emulator.answers.draw import Draw
from batchor_emulator.answers.json_schema import CompiledSchema
from batchor_emulator.answers.prompt import cut_to_tokens, sentence_about, token_count
from batchor_emulator.answers.request_fault import RequestFaultError
from batchor_emulator.answers.strict_schema import strict_fault

_MAX_CACHED_SCHEMAS = 256


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How the text must look: `text`, `json_object`, or `json_schema` with its schema."""

    type: str
    name: object = None
    schema: Mapping[str, object] | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class OutputText:
    """The text, cut where the request's limit says so."""

    text: str
    token_count: int
    was_cut: bool


def read_format(spec: Mapping[str, object], *, param: str) -> TextFormat:
    """Read `{"type": …, "name": …, "schema": …, "strict": …}`; *param* names its place in faults."""
    match spec.get("type", "text"):
        case "text":
            return TextFormat("text")
        case "json_object":
            return TextFormat("json_object")
        case "json_schema":
            schema = spec.get("schema")
            if not isinstance(schema, dict):
                raise RequestFaultError(
                    f"Missing required parameter: '{param}.schema'.",
                    param=f"{param}.schema",
                    code="missing_required_parameter",
                )
            return TextFormat("json_schema", spec.get("name"), schema, spec.get("strict") is True)
        case other:
            raise RequestFaultError(
                f"Invalid value: {other!r}. Supported values are: 'json_object', 'json_schema', and 'text'.",
                param=f"{param}.type",
                code="invalid_value",
            )


def write_text(prompt: str, draw: Draw, text_format: TextFormat, *, max_tokens: int | None, param: str) -> OutputText:
    """Answer *prompt* in *text_format*, with at most *max_tokens* tokens.

    Raises `RequestFaultError`, naming *param*, for a schema that the real API refuses.
    """
    text = _whole_text(prompt, draw, text_format, param)
    tokens = token_count(text)
    if max_tokens is None or tokens <= max_tokens:
        return OutputText(text, tokens, was_cut=False)
    return OutputText(cut_to_tokens(text, max_tokens), max_tokens, was_cut=True)


def _whole_text(prompt: str, draw: Draw, text_format: TextFormat, param: str) -> str:
    match text_format:
        case TextFormat(type="text"):
            return sentence_about(prompt, draw)
        case TextFormat(schema=None):
            return orjson.dumps({"answer": sentence_about(prompt, draw)}).decode()
        case _:
            return orjson.dumps(_schemas.compiled(text_format, param).document(draw)).decode()


class _SchemaCache:
    """Schemas that were checked and compiled; a batch usually repeats one in every request."""

    def __init__(self) -> None:
        self._outcomes: OrderedDict[bytes, CompiledSchema | RequestFaultError] = OrderedDict()
        self._lock = Lock()

    def compiled(self, text_format: TextFormat, param: str) -> CompiledSchema:
        key = orjson.dumps((text_format.name, text_format.strict, text_format.schema, param))
        with self._lock:
            outcome = self._outcomes.get(key)
        if outcome is None:
            outcome = _compile(text_format, param)
            self._remember(key, outcome)
        if isinstance(outcome, RequestFaultError):
            raise RequestFaultError(outcome.message, param=outcome.param, code=outcome.code, status=outcome.status)
        return outcome

    def _remember(self, key: bytes, outcome: CompiledSchema | RequestFaultError) -> None:
        with self._lock:
            self._outcomes[key] = outcome
            if len(self._outcomes) > _MAX_CACHED_SCHEMAS:
                self._outcomes.popitem(last=False)


def _compile(text_format: TextFormat, param: str) -> CompiledSchema | RequestFaultError:
    schema = text_format.schema or {}
    fault = strict_fault(text_format.name, schema) if text_format.strict else None
    if fault is not None:
        return RequestFaultError(fault, param=param, code="invalid_json_schema")
    try:
        return CompiledSchema(schema)
    except RequestFaultError as error:
        return RequestFaultError(error.message, param=param, code="invalid_json_schema")
    except RecursionError:
        return RequestFaultError("Invalid schema: it is nested too deeply.", param=param, code="invalid_json_schema")


_schemas = _SchemaCache()
