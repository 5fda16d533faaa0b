"""What users type first, as they type it; only the waits are shorter."""

import gc
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from batchor import (
    BatchItem,
    BatchJob,
    BatchRunner,
    JsonlItemSource,
    OpenAIEnqueueLimitConfig,
    OpenAIProviderConfig,
    PromptParts,
    RunControlState,
    RunEvent,
    SQLiteStorage,
)

pytestmark = pytest.mark.usefixtures("reader_folder")


class Verdict(BaseModel):
    label: str
    score: float


@pytest.fixture
def runner() -> Iterator[BatchRunner]:
    with BatchRunner() as runner:
        yield runner


@pytest.fixture
def classification() -> BatchJob[dict[str, str], Verdict]:
    return BatchJob(
        items=[BatchItem(item_id="a", payload={"text": "The soup was cold."})],
        build_prompt=lambda item: PromptParts(prompt=item.payload["text"], system_prompt="Classify."),
        structured_output=Verdict,
        provider_config=OpenAIProviderConfig(
            model="gpt-4.1",
            enqueue_limits=OpenAIEnqueueLimitConfig(
                enqueued_token_limit=2_000_000, target_ratio=0.7, headroom=50_000, max_batch_enqueued_tokens=500_000
            ),
        ),
    )


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_text_in_memory_by_one_call() -> None:
    run = BatchRunner(storage="memory").run_and_wait(
        BatchJob(
            items=[BatchItem(item_id="a", payload="Name the capital of Peru.")],
            build_prompt=lambda item: PromptParts(prompt=item.payload),
            provider_config=OpenAIProviderConfig(model="gpt-4.1", api_key="any"),
        )
    )
    text = run.results()[0].output_text
    assert text is not None
    assert "Name the capital of Peru." in text
    # Nobody closed the runner, as nobody does in one line.
    del run
    gc.collect()


def test_typed_results_are_durable_and_keep_to_a_token_budget(
    runner: BatchRunner, classification: BatchJob[dict[str, str], Verdict]
) -> None:
    run = runner.start(classification)
    run.wait()
    assert isinstance(run.results()[0].output, Verdict)


def test_another_process_reads_the_run_by_its_id(
    runner: BatchRunner, classification: BatchJob[dict[str, str], Verdict]
) -> None:
    run_id = runner.run_and_wait(classification).run_id
    with BatchRunner(storage=SQLiteStorage(name="default")) as other:
        run = other.get_run(run_id, structured_output=Verdict)
        assert run.summary().counts.completed == 1
        assert run.snapshot().open_batches == ()
        assert isinstance(run.results()[0].output, Verdict)


def test_a_file_resumes_where_ingestion_stopped_under_the_same_run_id(runner: BatchRunner) -> None:
    rows = [{"id": number, "text": f"Review {number}"} for number in range(10)]
    Path("b.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    built: list[str] = []

    def job(*, breaks_at: str | None) -> BatchJob[dict[str, str], None]:
        def build_prompt(item: BatchItem[dict[str, str]]) -> PromptParts:
            if item.item_id == breaks_at:
                raise KeyboardInterrupt
            built.append(item.item_id)
            return PromptParts(prompt=item.payload["text"])

        source = JsonlItemSource(
            "b.jsonl", item_id_from_row=lambda row: str(row["id"]), payload_from_row=lambda row: {"text": row["text"]}
        )
        return BatchJob(items=source, build_prompt=build_prompt, provider_config=OpenAIProviderConfig(model="gpt-4.1"))

    with pytest.raises(KeyboardInterrupt):
        runner.start(job(breaks_at="7"), run_id="customer_export_20260403")
    run = runner.run_and_wait(job(breaks_at=None), run_id="customer_export_20260403")
    assert [result.item_id for result in run.results()] == [str(number) for number in range(10)]
    again = runner.run_and_wait(job(breaks_at="0"), run_id="customer_export_20260403")
    assert again.results() == run.results()


def test_a_run_is_paused_resumed_and_read_in_pages(runner: BatchRunner) -> None:
    run = runner.start(
        BatchJob(
            items=[BatchItem(f"item-{number}", number) for number in range(5)],
            build_prompt=lambda item: f"Is {item.payload} a prime?",
            provider_config=OpenAIProviderConfig(model="gpt-4.1"),
        )
    )
    run.pause()
    assert run.summary().control_state is RunControlState.PAUSED
    run.resume()
    run.wait()
    page = run.read_terminal_results(after_sequence=0, limit=3)
    rest = run.read_terminal_results(after_sequence=page.next_after_sequence, limit=3)
    assert (len(page.items), page.has_more, len(rest.items), rest.has_more) == (3, True, 2, False)


def test_an_observer_is_told_from_the_start_to_the_end(classification: BatchJob[dict[str, str], Verdict]) -> None:
    events: list[RunEvent] = []
    with BatchRunner(observer=events.append) as observed:
        observed.run_and_wait(classification)
    assert events[0].event_type == "run_created"
    assert "run_finished" in {event.event_type for event in events}
    assert len({event.run_id for event in events}) == 1


def test_results_are_exported_in_pieces_and_a_run_is_cancelled(runner: BatchRunner) -> None:
    def job() -> BatchJob[int, None]:
        return BatchJob(
            items=[BatchItem(f"item-{number}", number) for number in range(5)],
            build_prompt=lambda item: f"Is {item.payload} a prime?",
            provider_config=OpenAIProviderConfig(model="gpt-4.1"),
        )

    export = runner.run_and_wait(job()).export_terminal_results("partial.jsonl", append=False, limit=3)
    assert (export.exported_count, export.next_after_sequence) == (3, 3)
    assert len(Path("partial.jsonl").read_text().splitlines()) == 3
    run = runner.start(job())
    run.cancel()
    assert run.wait().summary().control_state is RunControlState.CANCEL_REQUESTED


def test_raw_answers_are_exported_then_pruned_and_results_stay(
    runner: BatchRunner, classification: BatchJob[dict[str, str], Verdict]
) -> None:
    run = runner.run_and_wait(classification)
    run.export_artifacts("exports")
    run.prune_artifacts(include_raw_output_artifacts=True)
    (result,) = run.results()
    assert isinstance(result.output, Verdict)
    assert result.raw_response is None
