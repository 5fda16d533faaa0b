"""Whole runs against the emulator on its bad days."""

from collections import Counter
from datetime import timedelta

import pytest

from batchor_core import (
    BatchItem,
    BatchJob,
    BatchRunner,
    ChunkPolicy,
    RecoveryPolicy,
    RetryPolicy,
    Run,
    TextItemResult,
)
from batchor_core.errors import RunPausedError
from batchor_emulator import PRESETS, EmulatorProcess
from batchor_openai import OpenAIProviderConfig

ROWS = 200
NOTHING_IS_RUN_TWICE = {"flaky-network", "busy-project", "slow-day"}
"""In the others the provider loses or spoils answers that it has worked out, so that these rows must be asked again."""


def drive(runner: BatchRunner, emulator: EmulatorProcess) -> Run[TextItemResult]:
    """A run to its end; an operator resumes it whenever it pauses."""
    run = runner.start(
        BatchJob(
            items=[BatchItem(f"item-{n}", f"prompt {n}") for n in range(ROWS)],
            build_prompt=lambda item: item.payload,
            provider_config=OpenAIProviderConfig(
                model="gpt-4.1", base_url=emulator.base_url, api_key="test", poll_interval_s=0.1, request_timeout_s=10
            ),
            chunk_policy=ChunkPolicy(max_requests=50),
            retry_policy=RetryPolicy(base_backoff_s=0.05, max_backoff_s=0.3, max_deferrals=100),
        )
    )
    while not run.is_finished:
        try:
            run.wait(timeout=60)
        except RunPausedError:
            run.resume()
    return run


@pytest.mark.parametrize("preset", PRESETS)
def test_a_run_survives_a_bad_day(preset: str) -> None:
    recovery = RecoveryPolicy(quarantine=timedelta(seconds=3))
    with EmulatorProcess(faults=preset) as emulator, BatchRunner("memory", recovery_policy=recovery) as runner:
        run = drive(runner, emulator)
        assert run.audit(ask_provider=False).is_clean
        assert len(run.results()) == ROWS
        executed = Counter(entry.custom_id for entry in emulator.ledger())
    assert len(executed) == ROWS
    if preset in NOTHING_IS_RUN_TWICE:
        assert set(executed.values()) == {1}
