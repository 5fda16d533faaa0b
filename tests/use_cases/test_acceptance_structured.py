"""Structured answers that are made to harm, or that a model was not written for."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from batchor_core import ItemStatus
from batchor_core.domain.job import BatchJob

type MakeJob = Callable[..., BatchJob[Any, Any]]


class Scored(BaseModel):
    label: str
    score: float


class Numbers(BaseModel):
    numbers: list[int]


class Careless(BaseModel):
    label: str

    @field_validator("label")
    @classmethod
    def known(cls, label: str) -> str:
        return {"prompt 0": "a", "prompt 1": "b"}[label]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_an_answer_with_a_number_that_json_does_not_have_fails_with_a_reason(
    world: Any, job: MakeJob, tmp_path: Path, number: str
) -> None:
    world.server.answer = lambda _: {"text": f'{{"label": "a", "score": {number}}}'}
    run = world.new_process().run_and_wait(job(1, structured_output=Scored))
    (result,) = run.iter_results(typed=False)
    assert result.error.error_class == "invalid_output"
    run.export_terminal_results(tmp_path / "out.jsonl")
    json.loads((tmp_path / "out.jsonl").read_bytes(), parse_constant=pytest.fail)


def test_the_reason_of_an_invalid_answer_is_short_however_many_faults_it_has(world: Any, job: MakeJob) -> None:
    world.server.answer = lambda _: {"text": json.dumps({"numbers": ["a"] * 50_000})}
    (result,) = world.new_process().run_and_wait(job(1, structured_output=Numbers)).iter_results(typed=False)
    assert len(result.error.message) <= 1_000


def test_a_validator_that_raises_fails_its_item_alone(world: Any, job: MakeJob) -> None:
    world.server.answer = lambda prompt: {"text": json.dumps({"label": prompt})}
    run = world.new_process().run_and_wait(job(3, structured_output=Careless))
    statuses = [result.status for result in run.iter_results(typed=False)]
    assert statuses == [ItemStatus.COMPLETED, ItemStatus.COMPLETED, ItemStatus.FAILED_PERMANENT]
