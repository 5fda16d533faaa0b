"""The model class of structured answers: described when a run starts, found again when it is read."""

import hashlib
import importlib
import json
import re
from collections.abc import Callable
from typing import cast

from batchor_core.domain.job import OutputModel, OutputSchema
from batchor_core.errors import StructuredOutputError
from batchor_core.json_types import JsonObject
from batchor_core.ports.provider import ProviderFactory


def describe_output(model: type[OutputModel], *, name: str | None, factory: ProviderFactory) -> OutputSchema:
    """The schema that a provider is given for *model*; `SchemaNotStrictError` names all that it would refuse.

    *name* defaults to the name of the class.
    """
    own = _own_schema(model)
    schema_name = name or model.__name__
    return OutputSchema(
        name=schema_name,
        schema=factory.strict_schema(schema_name, own),
        sha256=_sha256(own),
        model_reference=_reference(model),
    )


def find_model(schema: OutputSchema, *, given: type[OutputModel] | None, may_import: bool) -> type[OutputModel]:
    """The model class of a stored run: *given*, or imported by its stored name; its schema must be the stored one."""
    model = given if given is not None else _imported(schema, may_import=may_import)
    if _sha256(_own_schema(model)) != schema.sha256:
        raise StructuredOutputError(
            f"the schema of {model.__module__}.{model.__qualname__} is not the one that the run "
            f"{schema.name!r} was started with; restore the class, or give the right one as structured_output="
        )
    return model


def parser_of(model: type[OutputModel]) -> Callable[[str], OutputModel]:
    """What makes an instance of *model* of a text, or raises. What it takes is JSON, but for `NaN` and `Infinity`."""
    parse = model.model_validate_json
    validator = getattr(model, "__pydantic_validator__", None)
    if validator is not None and getattr(parse, "__module__", None) == "pydantic.main":
        # All that the class's method does, at two thirds of its price.
        from_json: Callable[[str], OutputModel] = validator.validate_json
        return from_json

    def from_any(text: str) -> OutputModel:
        # What a class does on its own, nobody knows.
        json.loads(text)
        return parse(text)

    return from_any


def _own_schema(model: type[OutputModel]) -> JsonObject:
    try:
        return model.model_json_schema()
    except AttributeError:
        raise StructuredOutputError(f"structured_output must be a Pydantic model class, not {model!r}") from None


def _sha256(schema: JsonObject) -> str:
    canonical = json.dumps(schema, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _reference(model: type[OutputModel]) -> str | None:
    """`module:Class`, where another process can import it; not so for scripts and local classes."""
    if model.__module__ == "__main__" or "<" in model.__qualname__:
        return None
    return f"{model.__module__}:{model.__qualname__}"


_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def _imported(schema: OutputSchema, *, may_import: bool) -> type[OutputModel]:
    remedy = "give the class: get_run(run_id, structured_output=YourModel)"
    reference = schema.model_reference
    if reference is None or _REFERENCE.fullmatch(reference) is None:
        raise StructuredOutputError(f"the model of {schema.name!r} was defined where nothing can import it; {remedy}")
    if not may_import:
        raise StructuredOutputError(f"importing {reference} is switched off; {remedy}")
    module_name, _, path = reference.partition(":")
    try:
        found: object = importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise StructuredOutputError(f"the model {reference} cannot be imported ({error}); {remedy}") from error
    if not isinstance(found, type) or not hasattr(found, "model_validate_json"):
        raise StructuredOutputError(f"{reference} is no Pydantic model class; {remedy}")
    return cast("type[OutputModel]", found)
