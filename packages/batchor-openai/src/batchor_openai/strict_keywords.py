"""The keywords of strict schemas: what is sent, what is left out, and what to do instead of the rest."""

from collections.abc import Mapping

TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})

FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})

ANNOTATIONS = ("title", "description")

SENT_AS_THEY_ARE = frozenset(
    {
        *ANNOTATIONS,
        "type",
        "enum",
        "const",
        "pattern",
        "format",
        "multipleOf",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minItems",
        "maxItems",
    }
)

REWRITTEN = frozenset(
    {"$ref", "$defs", "definitions", "properties", "required", "additionalProperties", "items", "anyOf", "default"}
)

LEFT_OUT = frozenset({"examples", "deprecated", "readOnly", "writeOnly", "$comment", "$schema", "$id"})
"""They say nothing about which values are good."""

BRANCHES = ("anyOf", "oneOf", "allOf", "prefixItems")
"""Keywords that hold a list of schemas."""

_A_VALIDATOR = "check it in a validator instead (AfterValidator, @field_validator)"
_PLAIN_UNION = "write a plain union of the models (A | B), without discriminator="
_NO_CONDITIONS = "write a union of models, one for each case"

REMEDIES: Mapping[str, str] = {
    "oneOf": _PLAIN_UNION,
    "discriminator": _PLAIN_UNION,
    "allOf": "write one model that has the fields of all",
    "not": _A_VALIDATOR,
    "if": _NO_CONDITIONS,
    "then": _NO_CONDITIONS,
    "else": _NO_CONDITIONS,
    "dependentRequired": _NO_CONDITIONS,
    "dependentSchemas": _NO_CONDITIONS,
    "dependencies": _NO_CONDITIONS,
    "patternProperties": "write a list of models with a key and a value field instead of a dict",
    "propertyNames": "write a list of models with a key and a value field instead of a dict",
    "minProperties": _A_VALIDATOR,
    "maxProperties": _A_VALIDATOR,
    "unevaluatedProperties": "use extra='forbid'",
    "prefixItems": "write a model with a named field for each place of the tuple, or a list",
    "unevaluatedItems": "write a list of one type",
    "uniqueItems": "write a list instead of a set, and remove repeated values in a validator",
    "contains": _A_VALIDATOR,
    "minContains": _A_VALIDATOR,
    "maxContains": _A_VALIDATOR,
    "minLength": "use a pattern such as r'^.{3,}$', or check it in a validator (AfterValidator)",
    "maxLength": "use a pattern such as r'^.{0,80}$', or check it in a validator (AfterValidator)",
    "contentEncoding": "use str, and decode it in a validator",
    "contentMediaType": "write the nested model itself instead of Json[…]",
    "contentSchema": "write the nested model itself instead of Json[…]",
}

UNKNOWN_KEYWORD = "remove it from json_schema_extra"

FORMAT_REMEDIES: Mapping[str, str] = {
    "uri": "use str instead of a URL type, and check it in a validator",
    "binary": "use str instead of bytes, and decode it in a validator",
    "base64url": "use str instead of Base64Bytes, and decode it in a validator",
    "base64": "use str instead of Base64Bytes, and decode it in a validator",
    "path": "use str instead of Path",
    "password": "use str instead of SecretStr",
}
