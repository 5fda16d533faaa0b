"""The tables, as the newest migration leaves them.

Rows are small: runs have an integer key, and what belongs to an item is keyed by one integer made of that and the
item's index (see `keys`). Nothing that changes with an item's status is indexed; the few partial indexes hold open
batches, unsent batches, waiting retries, bound retries and failed results only.

The tables written by the million have no foreign keys, which would cost a look-up per row: the store looks each run
key up itself, and runs, batches and artifacts are never deleted.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    func,
    literal_column,
)
from sqlalchemy.sql.ddl import CreateView

from batchor_core.domain import batch as batch_states
from batchor_core.domain.batch import BatchState
from batchor_core.domain.events import EventType
from batchor_core.domain.item import ItemStatus
from batchor_core.domain.run import RunControlState, RunLifecycleStatus
from batchor_core.ports.state_records import ArtifactKind
from batchor_sql.column_types import EnumText, Instant, JsonText
from batchor_sql.keys import number_of, run_of
from batchor_sql.status_view import select_item_status

metadata = MetaData()

# SQLite numbers rows itself only where the key's type is spelt INTEGER.
_Key = BigInteger().with_variant(Integer(), "sqlite")
# Ordered by bytes: an index on any other order of PostgreSQL's is slower, and breaks when the server's libraries change.
_Ordered = Text().with_variant(Text(collation="C"), "postgresql")


def _run_key() -> Column[int]:
    return Column("run_key", BigInteger, ForeignKey("run.run_key"), nullable=False)


def _own_key(name: str) -> Column[int]:
    """A key of `keys`, given by the store and not by the database."""
    return Column(name, _Key, primary_key=True, autoincrement=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


schema_version = Table("schema_version", metadata, _number("version"))

run = Table(
    "run",
    metadata,
    Column("run_key", _Key, primary_key=True),
    Column("run_id", _Ordered, nullable=False, unique=True),
    Column("tag", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("exported_at", Instant),
    Column("status", EnumText(RunLifecycleStatus), nullable=False),
    Column("control_state", EnumText(RunControlState), nullable=False),
    Column("control_reason", Text),
    Column("control_message", Text),
    *(_number(status.value) for status in ItemStatus),
    _number("input_tokens"),
    _number("output_tokens"),
    _number("cached_input_tokens"),
    _number("reasoning_tokens"),
    _number("submit_cursor"),
    _number("pending_bytes"),
    _number("pending_tokens"),
    _number("result_sequence"),
    _number("batches"),
    Column("ingest_source", JsonText, nullable=False),
    Column("ingest_checkpoint", JsonText),
    _number("ingest_next_index"),
    Column("ingest_segment_id", BigInteger),
    Column("ingest_complete", Boolean, nullable=False),
    Column("ingest_lease_owner", Text),
    Column("ingest_lease_until", Instant),
    _number("ingest_lease_fence"),
    Column("config", JsonText, nullable=False),
    Index("run_by_age", "created_at", "run_id"),
)

artifact = Table(
    "artifact",
    metadata,
    Column("artifact_id", _Key, primary_key=True),
    _run_key(),
    Column("kind", EnumText(ArtifactKind), nullable=False),
    Column("name", Text, nullable=False),
    _number("size_bytes"),
    _number("lines"),
    Column("sha256", Text),
    Column("state", Text, nullable=False),
    Index("artifact_of_run", "run_key", "artifact_id"),
)

item = Table(
    "item",
    metadata,
    _own_key("item_key"),
    Column("id_key", _Ordered, nullable=False),
    Column("metadata", Text),
    Column("segment_id", BigInteger),
    _number("request_offset"),
    _number("request_length"),
    _number("tokens"),
    Column("long_id", Text),
)
Index("item_by_id", run_of(item.c.item_key), item.c.id_key, unique=True)

ITEM_ID: ColumnElement[str] = func.coalesce(item.c.long_id, item.c.id_key).label("item_id")
"""The id as it was given; see `id_key`."""
ITEM_INDEX = number_of(item.c.item_key).label("item_index")

lineage = Table(
    "lineage",
    metadata,
    Column("run_key", BigInteger, primary_key=True),
    Column("first_index", BigInteger, primary_key=True),
    Column("source_ref", Text),
    Column("source_namespace", Text),
    Column("partition_id", Text),
    _number("first_source_index"),
    sqlite_with_rowid=False,
)

batch = Table(
    "batch",
    metadata,
    Column("batch_id", _Key, primary_key=True),
    _run_key(),
    Column("batch_key", Text, nullable=False),
    _number("first_index"),
    _number("last_index"),
    _number("request_count"),
    _number("request_bytes"),
    _number("reserved_tokens"),
    Column("created_at", Instant, nullable=False),
    Column("next_due_at", Instant, nullable=False),
    Column("state", EnumText(BatchState), nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", Instant),
    _number("lease_fence"),
    _number("failures"),
    Column("input_file_id", Text),
    Column("sent_at", Instant),
    Column("fenced_at", Instant),
    _number("looks"),
    Column("provider_batch_id", _Ordered),
    Column("provider_status", Text),
    Column("cancel_asked_at", Instant),
    Column("output_file_id", Text),
    Column("error_file_id", Text),
    Column("output_artifact_id", BigInteger),
    Column("error_artifact_id", BigInteger),
    _number("output_offset"),
    _number("error_offset"),
    Column("faults", JsonText, nullable=False),
    Column("ended_at", Instant),
)

retry = Table(
    "retry",
    metadata,
    _own_key("item_key"),
    _number("attempts_used"),
    _number("deferrals"),
    Column("not_before", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("batch_id", BigInteger),
)

result = Table(
    "result",
    metadata,
    # In the order in which results end. Output files are shuffled: a row put among those of its neighbours costs twice
    # as much.
    _own_key("result_key"),
    _number("item_key"),
    _number("attempt_count"),
    Column("batch_id", BigInteger),
    Column("raw_artifact_id", BigInteger),
    _number("raw_offset"),
    _number("raw_length"),
    Column("output_text", Text),
    Column("response_metadata", Text, nullable=False),
    Column("failure", Text),
    Column("error_class", _Ordered),
    Index("result_by_item", "item_key", unique=True),
)

SEQUENCE = number_of(result.c.result_key)

capacity = Table(
    "capacity",
    metadata,
    Column("scope", _Ordered, primary_key=True),
    _number("reserved"),
    Column("learned_limit", BigInteger),
    _number("refusals"),
    Column("blocked_until", Instant),
)

event = Table(
    "event",
    metadata,
    Column("sequence", _Key, primary_key=True),
    _run_key(),
    Column("at", Instant, nullable=False),
    Column("kind", EnumText(EventType), nullable=False),
    Column("data", JsonText, nullable=False),
    Index("event_of_run", "run_key", "sequence"),
)


def is_open(state: ColumnElement[BatchState]) -> ColumnElement[bool]:
    """Whether a batch with this state column is neither collected nor abandoned."""
    return state.not_in(_literals(batch_states.TERMINAL))


def is_unsent(state: ColumnElement[BatchState]) -> ColumnElement[bool]:
    """Whether a batch with this state column has still to be sent."""
    return state.in_(_literals(batch_states.UNSENT))


def _literals(states: Iterable[BatchState]) -> list[ColumnElement[Any]]:
    """Not as bound values, with which no database would see that its partial index applies."""
    return [literal_column(f"'{state.value}'") for state in sorted(states)]


def _partial(name: str, *columns: ColumnElement[Any], where: ColumnElement[bool]) -> Index:
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


_partial("run_open", run.c.created_at, run.c.run_id, where=run.c.finished_at.is_(None))
_partial("batch_due", batch.c.run_key, batch.c.next_due_at, batch.c.batch_id, where=is_open(batch.c.state))
_partial("batch_unsent", batch.c.run_key, where=is_unsent(batch.c.state))
_partial("batch_at_provider", batch.c.provider_batch_id, where=batch.c.provider_batch_id.is_not(None))
_partial(
    "retry_waiting", run_of(retry.c.item_key), retry.c.not_before, retry.c.item_key, where=retry.c.batch_id.is_(None)
)
_partial("retry_bound", retry.c.batch_id, retry.c.item_key, where=retry.c.batch_id.is_not(None))
_partial("result_failed", run_of(result.c.result_key), result.c.error_class, where=result.c.error_class.is_not(None))

item_status = CreateView(
    select_item_status(item=item, item_id=ITEM_ID, batch=batch, retry=retry, result=result, is_open=is_open),
    "item_status",
    metadata=metadata,
).table
