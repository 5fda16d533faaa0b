"""batchor on the same work. Prints what it used up as one line of JSON; `--help` tells the arguments."""

import argparse
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from batchor_core import BatchItem, BatchJob, BatchRunner, JsonlItemSource, PromptParts, Run, failpoints
from batchor_core.ports.provider import ProviderFactory
from batchor_core.ports.state import StateStore
from batchor_openai import OpenAIBatchProvider, OpenAIProviderConfig
from benchmarks.linked_provider import LinkedClient, LinkedProvider
from benchmarks.meter import COLLECT, END, EXPORT, INGEST, READ, SUBMIT, WAIT, Meter
from benchmarks.workload import MODEL, RUN_TAG

RUN_ID = "measured"
_LATER_S = 86_400.0
_LOOKS = 50


class TagRandom(Random):
    """Random numbers, but for those of 48 bits: with them a run draws its tag, and the prepared answers carry it."""

    def getrandbits(self, k: int, /) -> int:
        return RUN_TAG if k == 48 else super().getrandbits(k)


def make_job(input_path: Path, config: OpenAIProviderConfig, *, structured: bool) -> BatchJob[str, Any]:
    model: type[Any] | None = None
    if structured:
        from benchmarks.verdict import Verdict  # pydantic is loaded only where it is needed

        model = Verdict
    source = JsonlItemSource(
        input_path, item_id_from_row=lambda row: row["id"], payload_from_row=lambda row: str(row["text"])
    )
    return BatchJob(items=source, build_prompt=_prompt, provider_config=config, structured_output=model)


def _prompt(item: BatchItem[str]) -> PromptParts:
    return PromptParts(item.payload)


def split_start(meter: Meter) -> list[float]:
    """Let *meter* tell submitting from ingesting, which take turns while a job starts; the CPU ms of each claim, in time."""
    claims_ms: list[float] = []
    began_s = taken_s = 0.0

    def passed(name: str) -> None:
        nonlocal began_s, taken_s
        match name:
            case "submit.claim.before":
                meter.enter(SUBMIT)
                began_s = time.process_time()
            case "submit.claim.after":
                taken_s = max(taken_s, time.process_time() - began_s)
            case "submit.upload.before":
                # Behind each claim the runner looks whether there is one more; that look is the cheaper one.
                claims_ms.append(taken_s * 1e3)
                taken_s = 0.0
            case _ if name.startswith("ingest."):
                meter.enter(INGEST)

    failpoints.observe(passed)
    return claims_ms


def let_provider_work(config: OpenAIProviderConfig, store: StateStore, run_id: str) -> None:
    """Wait until the provider is done with all batches, so that collecting is measured and not waiting."""
    provider = OpenAIBatchProvider.connect(config)
    with store.reading() as uow:
        waiting = [batch.provider_batch_id or "" for batch in uow.batches.open_batches(run_id)]
    while waiting:
        waiting = [batch_id for batch_id in waiting if not provider.client.get(batch_id).ended]
        time.sleep(0.2 if waiting else 0)
    provider.close()


def make_due(store: StateStore, run_id: str) -> None:
    """Have every open batch polled now; until here none was, so that ingesting and collecting don't mix."""
    with store.transaction() as uow:
        for batch in uow.batches.open_batches(run_id):
            uow.batches.save(replace(batch, next_due_at=datetime.now(UTC)))


def read(run: Run[Any], *, structured: bool) -> int:
    count = 0
    for result in run.iter_results():
        count += (result.output if structured else result.output_text) is not None
    return count


def measure(options: argparse.Namespace, meter: Meter) -> None:
    """Take the whole way, and let *meter* tell what it took."""
    structured = options.kind == "structured"
    config = OpenAIProviderConfig(model=MODEL, api_key="measured", base_url=options.base_url, poll_interval_s=_LATER_S)
    store = open_store(options)
    linked: dict[str, ProviderFactory] = {}
    if options.base_url is None:
        linked["openai"] = LinkedProvider(LinkedClient(options.answers), config)
    claims_ms = split_start(meter)
    with BatchRunner(
        store, providers=linked, rng=TagRandom(), artifact_store=artifacts(options), concurrency=options.concurrency
    ) as runner:
        job = make_job(options.input, config, structured=structured)
        meter.enter(INGEST)
        run: Run[Any] = runner.start(job, run_id=RUN_ID)
        failpoints.observe(None)
        if options.base_url is not None:
            meter.enter(WAIT)
            let_provider_work(config, store, RUN_ID)
        make_due(store, RUN_ID)
        meter.enter(COLLECT)
        run.wait()
        meter.enter(READ)
        count = read(run, structured=structured)
        meter.enter(EXPORT)
        run.export_terminal_results(options.folder / "results.jsonl")
        meter.enter(WAIT)
        status_ms = cpu_ms_of_status(run)
        meter.enter(END)
    meter.enter("")
    request_bytes = sum(path.stat().st_size for path in (options.folder / "artifacts").rglob("requests-*.jsonl"))
    facts = database_facts(options.folder / "state.sqlite3") if options.postgres is None else {}
    meter.report(results=count, request_bytes=request_bytes, status_ms=status_ms, claims_ms=claims_ms, **facts)


def cpu_ms_of_status(run: Run[Any]) -> float:
    run.summary()
    before_s = time.process_time()
    for _ in range(_LOOKS):
        run.summary()
    return (time.process_time() - before_s) / _LOOKS * 1e3


def database_facts(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as db:
        (text_bytes,) = db.execute("SELECT sum(length(CAST(output_text AS BLOB))) FROM result").fetchone()
    return {"database_bytes": path.stat().st_size, "text_bytes": text_bytes}


def artifacts(options: argparse.Namespace) -> Any:
    from batchor_artifacts import LocalArtifactStore

    return LocalArtifactStore(options.folder / "artifacts")


def open_store(options: argparse.Namespace) -> StateStore:
    if options.postgres is not None:
        from batchor_postgres import PostgresStorage

        return PostgresStorage(options.postgres)
    from batchor_sqlite import SQLiteStorage

    return SQLiteStorage(path=options.folder / "state.sqlite3")


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("input", type=Path)
    arguments.add_argument("answers", type=Path, help="the folder of prepared answers")
    arguments.add_argument("kind", choices=("text", "structured"))
    arguments.add_argument("folder", type=Path, help="for everything that is written")
    arguments.add_argument("--base-url", help="send to this server; without it, prepared answers are linked")
    arguments.add_argument("--postgres", help="keep the state in this database; without it, in SQLite")
    arguments.add_argument("--concurrency", type=int, default=4, help="batches at once (default: %(default)s)")
    return arguments


if __name__ == "__main__":
    measure(parser().parse_args(), Meter())
