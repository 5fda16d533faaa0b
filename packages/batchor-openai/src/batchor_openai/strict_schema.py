"""A model's JSON Schema in the strict form that OpenAI holds answers to.

A schema outside of the strict subset makes every line of a batch fail, hours later; so it is refused here, with all
faults at once. What can be said in the strict subset without changing which answers are good is rewritten:
objects are closed, and a field that is optional only because null is its default is required and nullable.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from batchor_core.errors import SchemaNotStrictError
from batchor_core.json_types import JsonObject
from batchor_openai.schema_limits import limit_faults
from batchor_openai.strict_keywords import (
    ANNOTATIONS,
    BRANCHES,
    FORMAT_REMEDIES,
    FORMATS,
    LEFT_OUT,
    REMEDIES,
    REWRITTEN,
    SENT_AS_THEY_ARE,
    TYPES,
    UNKNOWN_KEYWORD,
)

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_DEFINITION = re.compile(r"#/(\$defs|definitions)/([^/]+)")
_ROOT_REMEDY = "write a model that has it as a field"


def strict_schema(name: str, schema: JsonObject) -> JsonObject:
    """*schema*, as Pydantic makes it, in strict form.

    `SchemaNotStrictError` names every fault as `JSON pointer: what is wrong; remedy`.
    """
    rewriting = _Rewriting(schema)
    strict = rewriting.root()
    faults = [*_name_faults(name), *rewriting.faults, *limit_faults(strict)]
    if faults:
        raise SchemaNotStrictError(name, faults)
    return strict


def _name_faults(name: str) -> list[str]:
    if _NAME.fullmatch(name):
        return []
    suggestion = re.sub(r"[^a-zA-Z0-9_-]+", "_", name).strip("_")[:64] or "answer"
    problem = f"the name {name!r} is not made of 1 to 64 of a-z, A-Z, 0-9, '_' and '-'"
    return [f"#: {problem}; give the job schema_name={suggestion!r}"]


class _Rewriting:
    """One pass over a schema, collecting faults."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.faults: list[str] = []
        self._schema = schema

    def root(self) -> dict[str, Any]:
        schema = self._resolved(self._schema)
        groups = {group: self._schema[group] for group in ("$defs", "definitions") if group in self._schema}
        if schema.get("type") != "object" or "anyOf" in schema:
            self._fault("#", f"the root is {_kind(schema)}, not an object", _ROOT_REMEDY)
        own = {name: value for name, value in schema.items() if name not in groups}
        strict = self._schema_at(own, "#")
        for group, definitions in groups.items():
            strict[group] = {
                name: self._schema_at(definition, f"#/{group}/{_escape(name)}")
                for name, definition in definitions.items()
            }
        return strict

    def _schema_at(self, schema: object, place: str) -> dict[str, Any]:
        """The strict form of the schema at *place*; its default is the affair of the field that it belongs to."""
        if not isinstance(schema, Mapping):
            self._fault(place, "any value is accepted here, or none", "give it a type")
            return {}
        if "$ref" in schema:
            return self._reference(schema, place)
        self._check_keywords(schema, place)
        strict = {name: value for name, value in schema.items() if name in SENT_AS_THEY_ARE}
        for keyword in BRANCHES:
            if keyword in schema:
                strict[keyword] = self._branches(schema[keyword], f"{place}/{keyword}")
        if "items" in schema:
            strict["items"] = self._schema_at(schema["items"], f"{place}/items")
        if "properties" in schema or _has_type(schema, "object"):
            strict |= self._object(schema, place)
        return strict

    def _reference(self, schema: Mapping[str, Any], place: str) -> dict[str, Any]:
        reference = {"$ref": schema["$ref"]}
        if self._target(schema["$ref"]) is None:
            self._fault(place, f"{schema['$ref']!r} leads to no definition in this schema", "define the model here")
        beside = schema.keys() - {"$ref", "default"} - LEFT_OUT - set(ANNOTATIONS)
        for keyword in sorted(beside):
            self._fault(
                place, f"'{keyword}' stands beside a reference to a model", REMEDIES.get(keyword, UNKNOWN_KEYWORD)
            )
        annotations = {name: schema[name] for name in ANNOTATIONS if name in schema}
        # A $ref may have no neighbours in a strict schema; a union of one says the same.
        return {"anyOf": [reference], **annotations} if annotations else reference

    def _branches(self, branches: object, place: str) -> list[dict[str, Any]]:
        if not isinstance(branches, list):
            self._fault(place, "this is not a list of schemas", "correct it")
            return []
        return [self._schema_at(branch, f"{place}/{number}") for number, branch in enumerate(branches)]

    def _object(self, schema: Mapping[str, Any], place: str) -> dict[str, Any]:
        properties = schema.get("properties", {})
        self._check_closed(schema, place)
        required = schema.get("required", [])
        for name in required:
            if name not in properties:
                self._fault(place, f"the required property {name!r} is not described", "describe it, or leave it out")
        strict = {}
        for name, property_ in properties.items():
            here = f"{place}/properties/{_escape(name)}"
            self._check_default(property_, here, is_required=name in required)
            strict[name] = self._schema_at(property_, here)
        return {"properties": strict, "required": list(properties), "additionalProperties": False}

    def _check_closed(self, schema: Mapping[str, Any], place: str) -> None:
        is_open = schema.get("additionalProperties", "properties" not in schema)
        if is_open is False:
            return
        if schema.get("properties"):
            self._fault(place, "the model accepts other fields than its own", "use extra='forbid' instead of 'allow'")
        else:
            remedy = "write a model, or a list of models with a key and a value field"
            self._fault(place, "this is a dict, whose keys are not known beforehand", remedy)

    def _check_default(self, schema: object, place: str, *, is_required: bool) -> None:
        if not isinstance(schema, Mapping):
            return
        if "default" not in schema:
            if not is_required:
                remedy = "make it required, or write `T | None = None`"
                self._fault(place, "the field may be left out (default_factory, NotRequired)", remedy)
            return
        default = schema["default"]
        if default is None and not self._accepts_null(schema):
            self._fault(place, "the default None is not a value of the field's type", "write `T | None = None`")
        elif default is not None and self._only_value(schema) != [default]:
            remedy = "remove the default, or write `T | None = None` and fill it in yourself"
            self._fault(place, f"the field has the default {default!r}", remedy)

    def _check_keywords(self, schema: Mapping[str, Any], place: str) -> None:
        for keyword in schema:
            if keyword in SENT_AS_THEY_ARE or keyword in REWRITTEN or keyword in LEFT_OUT:
                continue
            if keyword == "discriminator" and "oneOf" in schema:
                continue  # one fault, not two
            self._fault(place, f"'{keyword}' is not possible", REMEDIES.get(keyword, UNKNOWN_KEYWORD))
        self._check_type(schema, place)
        if (form := schema.get("format")) is not None and form not in FORMATS:
            remedy = FORMAT_REMEDIES.get(str(form), f"use one of {', '.join(sorted(FORMATS))}, or a pattern")
            self._fault(place, f"the format {form!r} is not possible", remedy)

    def _check_type(self, schema: Mapping[str, Any], place: str) -> None:
        types = _types(schema)
        if not types and not schema.keys() & {"properties", "enum", "const", *BRANCHES}:
            self._fault(place, "any value is accepted here", "give it a type other than Any or object")
        for name in types:
            if name not in TYPES:
                self._fault(place, f"{name!r} is no type", f"use one of {', '.join(sorted(TYPES))}")
        if "array" in types and not schema.keys() & {"items", "prefixItems"}:
            self._fault(place, "the list accepts items of any type", "write list[T]")

    def _accepts_null(self, schema: object) -> bool:
        schema = self._resolved(schema)
        if "null" in _types(schema) or None in schema.get("enum", ()) or schema.get("const", ...) is None:
            return True
        return any(self._accepts_null(branch) for branch in schema.get("anyOf", ()))

    def _only_value(self, schema: object) -> list[Any]:
        """The values of a field that are written down, such as those of a Literal."""
        schema = self._resolved(schema)
        return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))

    def _resolved(self, schema: object) -> Mapping[str, Any]:
        """What a reference leads to, through all that it leads through; else *schema* itself."""
        seen = set()
        while isinstance(schema, Mapping) and (reference := schema.get("$ref")) is not None and reference not in seen:
            seen.add(reference)
            schema = self._target(reference)
        return schema if isinstance(schema, Mapping) else {}

    def _target(self, reference: object) -> object:
        if reference == "#":
            return self._schema
        match = _DEFINITION.fullmatch(reference) if isinstance(reference, str) else None
        if match is None:
            return None
        name = unquote(match[2]).replace("~1", "/").replace("~0", "~")
        return self._schema.get(match[1], {}).get(name)

    def _fault(self, place: str, problem: str, remedy: str) -> None:
        self.faults.append(f"{place}: {problem}; {remedy}")


def _types(schema: Mapping[str, Any]) -> list[str]:
    given = schema.get("type", [])
    return [given] if isinstance(given, str) else list(given)


def _has_type(schema: Mapping[str, Any], name: str) -> bool:
    return name in _types(schema)


def _kind(schema: Mapping[str, Any]) -> str:
    if schema.keys() & {"anyOf", "oneOf"}:
        return "a union"
    return "/".join(_types(schema)) or "any value"


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
