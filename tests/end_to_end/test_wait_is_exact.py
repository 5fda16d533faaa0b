"""`wait(timeout=…)` ends when it says, whatever the provider does."""

import time

import pytest

from batchor_core import BatchItem, BatchJob, BatchRunner
from batchor_core.errors import WaitTimeoutError
from batchor_emulator import Delay, EmulatorProcess, FaultProfile
from batchor_openai import OpenAIProviderConfig


def test_a_call_that_hangs_does_not_hold_up_the_end_of_a_wait() -> None:
    slow = FaultProfile(calls=(Delay(on="batches.retrieve", delay_s=5, count=1),))
    with EmulatorProcess(faults=slow) as emulator, BatchRunner("memory") as runner:
        config = OpenAIProviderConfig(model="m", base_url=emulator.base_url, api_key="any", poll_interval_s=0.1)
        run = runner.start(
            BatchJob(items=[BatchItem("a", "x")], build_prompt=lambda item: item.payload, provider_config=config)
        )
        before = time.monotonic()
        with pytest.raises(WaitTimeoutError, match="1 open items after 1 s"):
            run.wait(timeout=1)
        assert time.monotonic() - before < 2
        # The step that was under way is waited for, and not made twice.
        assert run.wait().summary().counts.completed == 1
        assert len(list(emulator.ledger())) == 1
