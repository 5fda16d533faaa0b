"""Profiles with names: bad days that a durable job should survive."""

from __future__ import annotations

from collections.abc import Mapping

from batchor_emulator.faults.batch_fault import BatchFault, Cancel, Expire, Fail
from batchor_emulator.faults.call_fault import Delay, Drop, Slow, Status, Truncate
from batchor_emulator.faults.profile import FaultProfile, FaultProfileError
from batchor_emulator.faults.row_fault import RowFault, RowFaultKind

K = RowFaultKind

PRESETS: Mapping[str, FaultProfile] = {
    "flaky-network": FaultProfile(
        calls=(
            Drop(share=0.05),
            Drop(when="after", share=0.05),
            Status(status=500, when="after", share=0.03),
            Status(status=502, as_html=True, share=0.02),
            Delay(share=0.05, delay_s=0.5),
            Truncate(on="files.content", share=0.2),
        ),
        list_lag_s=1.0,
    ),
    "angry-provider": FaultProfile(
        calls=(
            Status(status=429, share=0.1, retry_after_s=0.5),
            Status(status=503, share=0.05),
        ),
        batches=(
            BatchFault(share=0.1, outcome=Fail(code="server_error", message="The batch could not be started.")),
            BatchFault(share=0.2, outcome=Expire()),
            BatchFault(share=0.1, outcome=Cancel()),
        ),
        rows=(
            RowFault(kind=K.ERROR, share=0.03, status_code=429, code="rate_limit_exceeded"),
            RowFault(kind=K.ERROR, share=0.03),
        ),
        file_lag_s=0.3,
    ),
    "messy-output": FaultProfile(
        batches=(
            BatchFault(share=0.3, counts="wrong"),
            BatchFault(share=0.3, counts="null"),
            BatchFault(error_file="empty"),
        ),
        rows=tuple(RowFault(kind=kind, share=0.01) for kind in K if kind is not K.HUGE),
    ),
    "other-server": FaultProfile(
        calls=(Status(on="files.list", status=404),),
        batches=(
            BatchFault(
                statuses={"validating": "scheduling", "in_progress": "running", "finalizing": "running"},
                counts="null",
                error_file="blank-id",
            ),
        ),
        rows=(RowFault(kind=K.NO_RESPONSE_KEY, share=0.05), RowFault(kind=K.STRING_BODY)),
        ids="uuid",
    ),
    "busy-project": FaultProfile(list_lag_s=3.0, foreign_batches_per_create=120),
    "slow-day": FaultProfile(
        calls=(
            Delay(share=0.3, delay_s=2.0),
            Delay(when="after", share=0.1, delay_s=3.0),
            Slow(on="files.content", bytes_per_s=200_000),
        ),
        batches=(BatchFault(share=0.3, run_s=10.0),),
    ),
}


def preset(name: str) -> FaultProfile:
    """The profile of that name. Raises `FaultProfileError` with the names that exist."""
    try:
        return PRESETS[name]
    except KeyError:
        raise FaultProfileError(f"there is no fault preset {name!r}; there are {', '.join(PRESETS)}") from None
