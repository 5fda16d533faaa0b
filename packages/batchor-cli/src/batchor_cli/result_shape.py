"""What the results of a stored run have beside the fields that all results have."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batchor_core.domain.job import StoredJob
from batchor_core.ports.state import StateStore

CARRIED = "carry"
"""Under this name a job's identity lists the fields that its results carry."""


@dataclass(frozen=True, slots=True)
class ResultShape:
    """The parts of a result that differ from run to run."""

    output_fields: tuple[str, ...] | None
    """The fields of each answer, in the model's order; None where answers are text."""
    carried: tuple[str, ...] = ()
    """The fields of the input that are kept in the metadata."""

    @property
    def is_structured(self) -> bool:
        return self.output_fields is not None


def shape_of(store: StateStore, run_id: str) -> ResultShape:
    """The shape of the results of a stored run."""
    with store.reading() as uow:
        job = StoredJob.from_json(uow.runs.get(run_id).config)
    carried = tuple(json.loads(job.identity.get(CARRIED, "[]")))
    if job.output_schema is None:
        return ResultShape(None, carried)
    return ResultShape(tuple(_properties(job.output_schema.schema)), carried)


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of the object that each answer is; a model that holds itself is named at the root, and defined below."""
    reference = schema.get("$ref")
    if isinstance(reference, str):
        schema = schema["$defs"][reference.rpartition("/")[2]]
    properties: Mapping[str, Any] = schema.get("properties", {})
    return properties
