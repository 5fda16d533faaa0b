"""Runs with an output model: typed results, invalid answers, and finding the model again in another process."""

import json
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from pydantic import BaseModel

from batchor_core import BatchItem, ItemStatus, RetryPolicy, StructuredItemResult
from batchor_core.domain.batch import RemoteBatch
from batchor_core.domain.job import BatchJob
from batchor_core.errors import StructuredOutputError
from batchor_testkit.fake_provider import FakeServer

type MakeJob = Callable[..., BatchJob[Any, Any]]


class Verdict(BaseModel):
    label: str
    score: float


class Fenced(Verdict):
    """Makes instances of texts that are no JSON."""

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> "Fenced":
        text = json_data if isinstance(json_data, str) else json_data.decode()
        return super().model_validate_json(text.removeprefix("```json").removesuffix("```"), **options)


class Plain:
    """A model class that is not Pydantic's."""

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        return Verdict.model_json_schema()

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, /) -> Self:
        if b"label" not in (json_data.encode() if isinstance(json_data, str) else json_data):
            raise ValueError("no label")
        return cls()


class Reversed(BaseModel):
    score: float
    verdict: str


@pytest.fixture
def importable() -> Iterator[types.ModuleType]:
    """A module that another process could import, with a model and things that are none."""
    module = types.ModuleType("importable_models")
    model = type("Model", (Verdict,), {"__module__": "importable_models", "__qualname__": "Model"})
    vars(module)["Model"] = model
    sys.modules["importable_models"] = module
    yield module
    del sys.modules["importable_models"]


def verdicts(world: Any) -> None:
    world.server.answer = lambda prompt: {"text": f'{{"label": "{prompt}", "score": 0.5}}'}


def test_each_output_is_an_instance_of_the_model(world: Any, job: MakeJob) -> None:
    verdicts(world)
    run = world.new_process().run_and_wait(job(3, structured_output=Verdict))
    assert [result.output for result in run.results()] == [Verdict(label=f"prompt {n}", score=0.5) for n in range(3)]
    assert isinstance(run.results()[0], StructuredItemResult)


@pytest.mark.parametrize("model", [Fenced, Plain])
def test_an_answer_that_is_no_json_fails_whatever_the_model_takes(
    world: Any, job: MakeJob, model: type[Any], tmp_path: Path
) -> None:
    answer = '{"label": "a", "score": 1}'
    world.server.answer = lambda prompt: {"text": answer if prompt.endswith("0") else f"```json{answer}```"}
    run = world.new_process().run_and_wait(job(2, structured_output=model))
    good, bad = run.results()
    assert isinstance(good.output, model)
    assert bad.error.error_class == "invalid_output"
    run.export_terminal_results(tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert sorted(str(line["output"]) for line in lines) == ["None", "{'label': 'a', 'score': 1}"]


def test_an_answer_is_exported_with_the_numbers_that_the_model_wrote(world: Any, job: MakeJob, tmp_path: Path) -> None:
    world.server.answer = lambda _: {"text": '{\n  "label": "a",\r\n  "score": 0.10000000000000000555}'}
    run = world.new_process().run_and_wait(job(1, structured_output=Verdict))
    run.export_terminal_results(tmp_path / "out.jsonl")
    (line,) = (tmp_path / "out.jsonl").read_bytes().splitlines()
    assert b"0.10000000000000000555" in line


def test_an_answer_that_is_no_instance_is_tried_again_and_fails_at_last(world: Any, job: MakeJob) -> None:
    world.server.answer = lambda _: {"text": '{"label": 7}'}
    (result,) = world.new_process().run_and_wait(job(1, structured_output=Verdict)).results()
    assert result.status is ItemStatus.FAILED_PERMANENT
    assert (result.error.error_class, result.attempt_count) == ("invalid_output", 3)
    assert "score" in result.error.message
    assert result.output is None
    assert result.output_text == '{"label": 7}'


@pytest.mark.parametrize(("text", "accepted"), [('{"label": "a", "score": 1.0}', True), ('{"label": "a", "sc', False)])
def test_a_poor_answer_is_accepted_only_if_it_fits_the_model(
    world: Any, job: MakeJob, text: str, *, accepted: bool
) -> None:
    world.server.answer = lambda _: {"text": text, "outcome": "truncated"}
    policy = RetryPolicy(on_truncation="accept")
    (result,) = world.new_process().run_and_wait(job(1, structured_output=Verdict, retry_policy=policy)).results()
    assert (result.output is not None) is accepted
    assert (result.error is None) is accepted
    assert result.output_text == text


def test_another_process_finds_an_importable_model_by_itself(
    world: Any, job: MakeJob, importable: types.ModuleType
) -> None:
    verdicts(world)
    world.new_process().start(job(2, structured_output=importable.Model), run_id="typed")
    run = world.new_process().get_run("typed").wait()
    assert isinstance(run.results()[0].output, importable.Model)


def test_a_model_that_cannot_be_imported_is_asked_for(world: Any, job: MakeJob) -> None:
    class Local(BaseModel):
        label: str
        score: float

    verdicts(world)
    world.new_process().run_and_wait(job(1, structured_output=Local), run_id="local")
    with pytest.raises(StructuredOutputError, match="structured_output=YourModel"):
        world.new_process().get_run("local").results()
    run = world.new_process().get_run("local", structured_output=Local)
    assert run.results()[0].output == Local(label="prompt 0", score=0.5)


def test_texts_are_read_without_the_model(world: Any, job: MakeJob) -> None:
    class Local(Verdict):
        pass

    verdicts(world)
    world.new_process().run_and_wait(job(1, structured_output=Local), run_id="local")
    (result,) = world.new_process().get_run("local").iter_results(typed=False)
    assert result.output_text == '{"label": "prompt 0", "score": 0.5}'


def test_a_model_of_another_schema_is_refused(world: Any, job: MakeJob) -> None:
    verdicts(world)
    world.new_process().run_and_wait(job(1, structured_output=Verdict), run_id="typed")
    with pytest.raises(StructuredOutputError, match="not the one"):
        world.new_process().get_run("typed", structured_output=Reversed).results()


def test_importing_models_can_be_switched_off(world: Any, job: MakeJob, importable: types.ModuleType) -> None:
    verdicts(world)
    world.new_process().run_and_wait(job(1, structured_output=importable.Model), run_id="typed")
    with pytest.raises(StructuredOutputError, match="switched off"):
        world.new_process(import_output_models=False).get_run("typed").results()


@pytest.mark.parametrize("reference", ["os:system", "subprocess:Popen", "builtins:eval", "no.such.module:Model"])
def test_a_stored_reference_to_anything_but_the_model_is_refused(
    world: Any, job: MakeJob, importable: types.ModuleType, reference: str
) -> None:
    verdicts(world)
    runner = world.new_process()
    runner.run_and_wait(job(1, structured_output=importable.Model), run_id="typed")
    run = world.store._facts.runs["typed"]
    config = {**run.run.config, "output_schema": {**run.run.config["output_schema"], "model_reference": reference}}
    object.__setattr__(run.run, "config", config)
    with pytest.raises(StructuredOutputError):
        world.new_process().get_run("typed").results()


@pytest.mark.parametrize("model", ["Verdict", 7, dict])
def test_what_is_no_model_class_is_refused_before_anything_is_stored(world: Any, job: MakeJob, model: object) -> None:
    runner = world.new_process()
    with pytest.raises(StructuredOutputError, match="Pydantic model class"):
        runner.start(job(1, structured_output=model))
    assert runner.runs() == []


class MessyServer(FakeServer):
    """Puts lines of others before the answers, and every answer twice."""

    def execute(self, batch: RemoteBatch) -> RemoteBatch:
        ended = super().execute(batch)
        assert ended.output_file_id is not None
        output = self.files[ended.output_file_id]
        foreign = b'{"custom_id": "ffffffff-0", "text": "not ours"}\n{"custom_id": "7", "text": "not ours"}\nnot json\n'
        self.files[ended.output_file_id] = foreign + output + output
        return ended


def test_lines_of_another_run_are_events_and_never_results(world: Any, job: MakeJob) -> None:
    world.server = MessyServer(world.clock, answer=lambda prompt: {"text": prompt})
    run = world.new_process().run_and_wait(job(items=[BatchItem("a", "alpha"), BatchItem("b", "beta")]))
    assert [result.output_text for result in run.results()] == ["alpha", "beta"]
    (event,) = [event for event in world.events if event.event_type == "unexpected_lines"]
    assert (event.data["foreign"], event.data["second_answers"]) == (3, 2)
