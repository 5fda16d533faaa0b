"""What users write, for type checkers: each `assert_type` is a promise."""

from typing import assert_type

from pydantic import BaseModel

from batchor import (
    ArtifactExport,
    AuditReport,
    BatchItem,
    BatchJob,
    BatchRunner,
    CompositeItemSource,
    CsvItemSource,
    JsonlItemSource,
    OpenAIEnqueueLimitConfig,
    OpenAIProviderConfig,
    ParquetItemSource,
    PromptParts,
    PruneReport,
    Run,
    RunSnapshot,
    RunSummary,
    SQLiteStorage,
    StructuredItemResult,
    TerminalResultsExport,
    TextItemResult,
    verify_bundle,
)


def text_in_memory() -> None:
    run = BatchRunner(storage="memory").run_and_wait(
        BatchJob(
            items=[BatchItem(item_id="a", payload="Name the capital of Peru.")],
            build_prompt=lambda item: PromptParts(prompt=item.payload),
            provider_config=OpenAIProviderConfig(model="gpt-4.1", api_key="…"),
        )
    )
    assert_type(run, Run[TextItemResult])
    assert_type(run.results()[0].output_text, str | None)


class Verdict(BaseModel):
    label: str
    score: float


def typed_and_durable() -> None:
    runner = BatchRunner()
    run = runner.start(
        BatchJob(
            items=[BatchItem(item_id="a", payload={"text": "…"})],
            build_prompt=lambda item: PromptParts(prompt=item.payload["text"], system_prompt="Classify."),
            structured_output=Verdict,
            provider_config=OpenAIProviderConfig(
                model="gpt-4.1",
                enqueue_limits=OpenAIEnqueueLimitConfig(
                    enqueued_token_limit=2_000_000,
                    target_ratio=0.7,
                    headroom=50_000,
                    max_batch_enqueued_tokens=500_000,
                ),
            ),
        )
    )
    assert_type(run.wait(), Run[StructuredItemResult[Verdict]])
    assert_type(run.results()[0].output, Verdict | None)


def another_process() -> None:
    run = BatchRunner(storage=SQLiteStorage(name="default")).get_run("batchor_20260329T120000Z_ab12cd34")
    assert_type(run, Run[TextItemResult])
    assert_type(run.summary(), RunSummary)
    assert_type(run.snapshot(), RunSnapshot)


def another_process_typed() -> None:
    run = BatchRunner().get_run("batchor_20260329T120000Z_ab12cd34", structured_output=Verdict)
    assert_type(run, Run[StructuredItemResult[Verdict]])


def a_file_of_rows() -> None:
    source = JsonlItemSource(
        "b.jsonl", item_id_from_row=lambda row: str(row["id"]), payload_from_row=lambda row: {"text": str(row["text"])}
    )
    run = BatchRunner().start(
        BatchJob(
            items=source,
            build_prompt=lambda item: item.payload["text"],
            provider_config=OpenAIProviderConfig(model="gpt-4.1"),
        ),
        run_id="customer_export_20260403",
    )
    assert_type(run, Run[TextItemResult])


def files_of_many_kinds() -> None:
    source = CompositeItemSource(
        [
            CsvItemSource(
                "a.csv", item_id_from_row=lambda row: row["id"], payload_from_row=lambda row: {"text": row["text"]}
            ),
            JsonlItemSource(
                "b.jsonl",
                item_id_from_row=lambda row: str(row["id"]),
                payload_from_row=lambda row: {"text": str(row["text"])},
            ),
            ParquetItemSource(
                "c.parquet",
                columns=["id", "text"],
                item_id_from_row=lambda row: str(row["id"]),
                payload_from_row=lambda row: {"text": str(row["text"])},
            ),
        ]
    )
    run = BatchRunner().start(
        BatchJob(
            items=source,
            build_prompt=lambda item: item.payload["text"],
            provider_config=OpenAIProviderConfig(model="gpt-4.1"),
        )
    )
    assert_type(run, Run[TextItemResult])


def afterwards() -> None:
    run = BatchRunner().get_run("batchor_20260329T120000Z_ab12cd34")
    assert_type(run.retry(error_class="refused"), int)
    assert_type(run.audit(), AuditReport)
    assert_type(run.export_terminal_results("partial.jsonl"), TerminalResultsExport)
    assert_type(run.export_artifacts("exports"), ArtifactExport)
    assert_type(verify_bundle(run.export_artifacts("exports").path), list[str])
    assert_type(run.prune_artifacts(include_raw_output_artifacts=True), PruneReport)
