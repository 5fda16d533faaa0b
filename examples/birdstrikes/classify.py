"""Judge reports of bird strikes: rows of a JSON Lines file in, typed verdicts out.

    python examples/birdstrikes/classify.py --sandbox

Without --sandbox it works with OpenAI and the key in OPENAI_API_KEY. Stopped at any moment, the same
command goes on where it stopped.
"""

import argparse
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel

from batchor import (
    BatchItem,
    BatchJob,
    BatchRunner,
    JsonlItemSource,
    OpenAIProviderConfig,
    PromptParts,
    Run,
    SQLiteStorage,
    StructuredItemResult,
)

HERE = Path(__file__).parent
SYSTEM_PROMPT = "You judge reports of bird strikes. Score the danger from 0 (none) to 10 (the aircraft was lost)."

type Row = dict[str, Any]


class Severity(StrEnum):
    """How bad a strike was."""

    NONE = "none"
    MINOR = "minor"
    SERIOUS = "serious"


def as_score(value: float) -> float:
    """Strict schemas ask for a number; what kind of number is ours to say."""
    return min(max(value, 0.0), 10.0)


class Verdict(BaseModel):
    """What is asked for each report."""

    severity: Severity
    score: Annotated[float, AfterValidator(as_score)]
    summary: str
    needs_inspection: bool
    cause: str | None


def build_prompt(item: BatchItem[Row]) -> PromptParts:
    row = item.payload
    prompt = (
        f"Aircraft: {row['aircraft']}, operated by {row['operator']}\n"
        f"Place: {row['airport']}, {row['state']}, on {row['date']}\n"
        f"Phase of flight: {row['phase']}; time of day: {row['time_of_day']}\n"
        f"Species: {row['species']} ({row['size']})\n"
        f"Damage: {row['damage']}; cost: {row['cost_usd']} USD"
    )
    return PromptParts(prompt, system_prompt=SYSTEM_PROMPT)


def classification_job(path: Path, config: OpenAIProviderConfig) -> BatchJob[Row, Verdict]:
    source = JsonlItemSource(
        path,
        item_id_from_row=lambda row: row["id"],
        payload_from_row=lambda row: row,
        metadata_from_row=lambda row: {"airport": row["airport"]},
    )
    return BatchJob(items=source, build_prompt=build_prompt, structured_output=Verdict, provider_config=config)


@contextmanager
def provider_config(*, model: str, sandbox: bool, state_dir: Path) -> Generator[OpenAIProviderConfig]:
    """OpenAI; or an emulator that keeps its state in *state_dir* and runs as long as the context."""
    if not sandbox:
        yield OpenAIProviderConfig(model=model)
        return
    from batchor_emulator import EmulatorProcess

    with EmulatorProcess(state_dir=state_dir) as emulator:
        yield OpenAIProviderConfig(model=model, api_key="any", base_url=emulator.base_url, poll_interval_s=0.2)


def report(run: Run[StructuredItemResult[Verdict]]) -> Iterable[str]:
    """What came out, in lines of text; reads the results one page at a time."""
    severities: Counter[str] = Counter()
    worst: tuple[float, str] = (-1.0, "")
    for result in run.iter_results():
        if result.output is None:
            severities["failed"] += 1
            continue
        severities[result.output.severity] += 1
        worst = max(worst, (result.output.score, f"{result.item_id} at {result.metadata['airport']}"))
    yield f"{run.run_id}: {severities.total()} reports"
    yield from (f"  {severity}: {number}" for severity, number in severities.most_common())
    yield f"  worst: {worst[1]} ({worst[0]:g})"


def main() -> None:
    parser = argparse.ArgumentParser(description="Judge reports of bird strikes.")
    parser.add_argument("--sandbox", action="store_true", help="work with the emulator: no key, made-up verdicts")
    parser.add_argument("--input", type=Path, default=HERE / "birdstrikes.jsonl")
    parser.add_argument("--model", default="gpt-4.1")
    parser.add_argument("--run-id", default="birdstrikes")
    parser.add_argument("--db-path", type=Path, default=Path("birdstrikes.sqlite3"))
    options = parser.parse_args()
    emulator_dir = options.db_path.with_name(f"{options.db_path.stem}_emulator")
    with (
        provider_config(model=options.model, sandbox=options.sandbox, state_dir=emulator_dir) as config,
        BatchRunner(SQLiteStorage(path=options.db_path)) as runner,
    ):
        run = runner.run_and_wait(classification_job(options.input, config), run_id=options.run_id)
        print("\n".join(report(run)))


if __name__ == "__main__":
    main()
