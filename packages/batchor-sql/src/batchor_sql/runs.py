"""Runs and their counters."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import RowMapping, bindparam, literal, select, tuple_, update

from batchor_core.domain.item import ItemStatus, StatusCounts
from batchor_core.domain.lease import Lease
from batchor_core.domain.output_line import TokenUsage
from batchor_core.domain.run import IngestState, RunRecord
from batchor_core.errors import RunExistsError
from batchor_sql.column_types import Instant
from batchor_sql.dialects import traits_of
from batchor_sql.schema import run as runs
from batchor_sql.scope import Scope

# Made once: to make and to look through so wide a statement takes as long as to run it.
_BY_KEY = select(runs).where(runs.c.run_key == bindparam("of_key"))
# SQLite has no FOR UPDATE and leaves it out: there, BEGIN IMMEDIATE has locked everything. Elsewhere the key stays
# free: foreign keys share it, so who adds a batch or an event would wait, or deadlock with us.
_LOCKED = _BY_KEY.with_for_update(key_share=True)
_BY_KEY_TO_CHANGE = update(runs).where(runs.c.run_key == bindparam("of_key"))


class SqlRunStore:
    """`RunStore` in SQL."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._connection = scope.connection

    def add(self, run: RunRecord) -> None:
        insert = traits_of(self._connection.dialect).insert
        new = insert(runs).on_conflict_do_nothing(index_elements=["run_id"]).returning(runs.c.run_key)
        fixed = {
            "run_id": run.run_id,
            "tag": run.tag,
            "created_at": run.created_at,
            "config": run.config,
        }
        key = self._connection.execute(new.values(fixed | _changing(run))).scalar()
        if key is None:
            raise RunExistsError(run.run_id)
        self._scope.added(run.run_id, key)

    def get(self, run_id: str) -> RunRecord:
        return self._read(run_id, lock=False)

    def lock(self, run_id: str) -> RunRecord:
        return self._read(run_id, lock=True)

    def save(self, run: RunRecord) -> None:
        key = self._scope.run_key(run.run_id)
        self._connection.execute(_BY_KEY_TO_CHANGE, {"of_key": key, **_changing(run)})

    def page(self, *, before: str | None, limit: int) -> Sequence[RunRecord]:
        age = tuple_(runs.c.created_at, runs.c.run_id)
        rows = select(runs).order_by(runs.c.created_at.desc(), runs.c.run_id.desc()).limit(limit)
        if before is not None:
            rows = rows.where(age < tuple_(literal(self.get(before).created_at, Instant), before))
        return [_record(row) for row in self._connection.execute(rows).mappings()]

    def unfinished(self, *, limit: int) -> Sequence[str]:
        oldest_first = (
            select(runs.c.run_id).where(runs.c.finished_at.is_(None)).order_by(runs.c.created_at, runs.c.run_id)
        )
        return list(self._connection.execute(oldest_first.limit(limit)).scalars())

    def _read(self, run_id: str, *, lock: bool) -> RunRecord:
        row = self._connection.execute(_LOCKED if lock else _BY_KEY, {"of_key": self._scope.run_key(run_id)})
        return _record(row.mappings().one())


def _changing(run: RunRecord) -> dict[str, Any]:
    ingest = run.ingest
    return {
        "finished_at": run.finished_at,
        "exported_at": run.exported_at,
        "status": run.status,
        "control_state": run.control_state,
        "control_reason": run.control_reason,
        "control_message": run.control_message,
        **asdict(run.counts),
        **asdict(run.usage),
        "submit_cursor": run.submit_cursor,
        "pending_bytes": run.pending_bytes,
        "pending_tokens": run.pending_tokens,
        "result_sequence": run.result_sequence,
        "batches": run.batches,
        "ingest_source": ingest.source,
        "ingest_checkpoint": ingest.checkpoint,
        "ingest_next_index": ingest.next_index,
        "ingest_segment_id": ingest.segment_id,
        "ingest_complete": ingest.complete,
        "ingest_lease_owner": ingest.lease.owner,
        "ingest_lease_until": ingest.lease.until,
        "ingest_lease_fence": ingest.lease.fence,
    }


def _record(row: RowMapping) -> RunRecord:
    return RunRecord(
        run_id=row["run_id"],
        tag=row["tag"],
        created_at=row["created_at"],
        config=row["config"],
        ingest=_ingest(row),
        status=row["status"],
        control_state=row["control_state"],
        control_reason=row["control_reason"],
        control_message=row["control_message"],
        counts=StatusCounts(**{status.value: row[status.value] for status in ItemStatus}),
        usage=TokenUsage(
            input_tokens=row["input_tokens"],
            output_tokens=row["output_tokens"],
            cached_input_tokens=row["cached_input_tokens"],
            reasoning_tokens=row["reasoning_tokens"],
        ),
        submit_cursor=row["submit_cursor"],
        pending_bytes=row["pending_bytes"],
        pending_tokens=row["pending_tokens"],
        result_sequence=row["result_sequence"],
        batches=row["batches"],
        finished_at=row["finished_at"],
        exported_at=row["exported_at"],
    )


def _ingest(row: RowMapping) -> IngestState:
    return IngestState(
        source=row["ingest_source"],
        checkpoint=row["ingest_checkpoint"],
        next_index=row["ingest_next_index"],
        segment_id=row["ingest_segment_id"],
        complete=row["ingest_complete"],
        lease=Lease(row["ingest_lease_owner"], row["ingest_lease_until"], row["ingest_lease_fence"]),
    )
