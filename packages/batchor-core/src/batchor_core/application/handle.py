"""The handle that users hold on a run."""

from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Generic, Literal, Self, TypeVar, cast, overload

from batchor_core.application import control
from batchor_core.application.audit import AuditReport, audit_state
from batchor_core.application.background import in_background
from batchor_core.application.bundle import ArtifactExport, export_bundle
from batchor_core.application.cancel import request_cancel
from batchor_core.application.context import Services
from batchor_core.application.cycle import Cycle, CycleReport
from batchor_core.application.export import TerminalResultsExport, export_terminal
from batchor_core.application.output_model import find_model
from batchor_core.application.prune import PruneReport, prune
from batchor_core.application.read_results import ResultReader
from batchor_core.domain.job import OutputModel, StoredJob
from batchor_core.domain.results import TerminalResultsPage, TextItemResult
from batchor_core.domain.run import (
    BatchSnapshot,
    RunControlState,
    RunLifecycleStatus,
    RunRecord,
    RunSnapshot,
    RunSummary,
)
from batchor_core.errors import JobRequiredError, RunNotFinishedError, RunPausedError, WaitTimeoutError
from batchor_core.json_types import JsonObject

ResultT = TypeVar("ResultT", bound=TextItemResult)


@dataclass(frozen=True, slots=True)
class TickReport:
    """What one bounded step did, and when the next is worth it."""

    summary: RunSummary
    made_progress: bool
    """Whether anything was done; then the next step may follow at once."""
    next_due_at: datetime | None
    """When something is to be done next, unless an operator or another worker changes that.

    None: nothing is. The run is finished or paused, or the rest of its input is still to be read by whoever has the job.
    """


_LONGEST_SLEEP_S = 1.0
"""So often a waiting process looks whether somebody has paused the run."""
_SHORTEST_SLEEP_S = 0.02
_SHORTEST_CYCLE_S = 0.1
"""So long a cycle has at least, before a `wait` gives up on it."""


@dataclass(frozen=True, slots=True)
class RunAccess:
    """What a handle needs of its runner."""

    services: Services
    connect: Callable[[RunRecord], Cycle]
    """Makes the cycle, when the run is first driven: reading a run needs no provider and no key."""
    model: type[OutputModel] | None
    may_import: bool


class Run(Generic[ResultT]):  # noqa: UP046  its parameter is bound by overloads of `start`
    """One run: drive it, watch it, read it.

    A handle holds no state of its own: any number of them, in any number of processes, show and
    drive the same run.
    """

    def __init__(self, run_id: str, access: RunAccess, *, cycle: Cycle | None = None) -> None:
        self._run_id = run_id
        self._access = access
        self._services = access.services
        self._cycle = cycle
        self._under_way: Future[CycleReport] | None = None
        """The cycle that a `wait` was not patient enough for."""

    @property
    def run_id(self) -> str:
        return self._run_id

    def __repr__(self) -> str:
        return f"Run({self._run_id!r})"

    # -- how it stands ------------------------------------------------------------------------

    def summary(self) -> RunSummary:
        """Counters, tokens, status and control state: one small read, whatever the run's size."""
        return RunSummary.of(self._record())

    def snapshot(self) -> RunSnapshot:
        """The summary with the open batches and the kinds of failures."""
        with self._services.store.reading() as uow:
            run = uow.runs.get(self._run_id)
            return RunSnapshot(
                RunSummary.of(run),
                tuple(BatchSnapshot.of(batch) for batch in uow.batches.open_batches(self._run_id)),
                tuple(uow.results.failures(self._run_id)),
                run.ingest.lease,
            )

    @property
    def output_schema(self) -> JsonObject | None:
        """The JSON Schema of the answers, as the provider was given it; None for a run of texts."""
        schema = StoredJob.from_json(self._record().config).output_schema
        return None if schema is None else schema.schema

    @property
    def is_structured(self) -> bool:
        """Whether the run has `structured_output`."""
        return self.output_schema is not None

    @property
    def status(self) -> RunLifecycleStatus:
        return self._record().status

    @property
    def control_state(self) -> RunControlState:
        return self._record().control_state

    @property
    def is_finished(self) -> bool:
        return self._record().is_finished

    # -- drive it -----------------------------------------------------------------------------

    def refresh(self) -> bool:
        """One cycle: ingest a slice, submit, recover, poll and collect what is due; whether anything was done."""
        return self._run_cycle().made_progress

    def tick(self) -> TickReport:
        """`refresh`, with what a scheduler wants to know.

        Bounded: it takes as many batches as the runner's *concurrency* one step further, and never sleeps. It may be
        called at any time, by any number of processes at once: what is not due, or held by another, is left alone.
        """
        report = self._run_cycle()
        return TickReport(RunSummary.of(report.run), report.made_progress, report.next_due_at)

    def wait(self, *, timeout: float | None = None) -> Self:
        """Drive the run until it is finished.

        *timeout* is in seconds, None for no limit. `WaitTimeoutError` when it passes, `RunPausedError` when the
        run is paused, `JobRequiredError` when rows are not ingested and nobody does. Ctrl-C leaves a resumable run.

        A step that is under way when the time has passed goes on in the background; the next call that drives this
        handle waits for it first.
        """
        clock = self._services.clock
        deadline = None if timeout is None else clock.monotonic() + timeout
        while True:
            report = self._run_cycle(within_s=None if deadline is None else deadline - clock.monotonic())
            if report is None:
                raise self._timed_out(timeout)
            if report.run.is_finished:
                return self
            self._refuse_to_wait(report)
            pause_s = self._pause_s(report)
            if deadline is not None:
                left_s = deadline - clock.monotonic()
                if left_s <= 0:
                    raise self._timed_out(timeout)
                pause_s = min(pause_s, left_s)
            if pause_s > 0:
                clock.sleep(pause_s)

    def ingest(self, *, detach: bool = False) -> Self:
        """Drive the run until its whole input is read and what can be sent is sent, or until it is paused.

        With *detach*, nothing is sent: that is left to workers.
        """
        clock = self._services.clock
        while True:
            report = self._connected().ingest_once() if detach else self._run_cycle()
            run = report.run
            if not run.is_running or (run.ingest.complete and not report.claimed):
                return self
            if not report.ingested and not report.claimed:
                clock.sleep(self._pause_s(report))

    def pause(self) -> None:
        """Stop ingestion, submission and polling at the next boundary, in all processes, until `resume`."""
        control.pause(self._services, self._run_id)

    def resume(self) -> None:
        """Let a paused run go on; drive it with `wait` or `refresh`."""
        control.resume(self._services, self._run_id)

    def cancel(self) -> None:
        """End the run early: cancel its batches, keep what is finished, end every other item as `run_cancelled`.

        `wait` or `refresh`, in any process, carries it out.
        """
        request_cancel(self._services, self._run_id)

    def retry(self, *, error_class: str | None = None) -> int:
        """Let failed items begin again, those of one error class or all; how many. Drive the run with `wait` then.

        Items that could not be sent at all (`prompt_failed`, `request_too_large`, …) stay failed. `RunCancelledError`
        for a cancelled run.
        """
        return control.retry_failed(self._services, self._run_id, error_class=error_class)

    def audit(self, *, ask_provider: bool = True) -> AuditReport:
        """Compare the counters with the facts, and the provider's batches with ours; needs a key unless told not to ask."""
        report = audit_state(self._services, self._run_id)
        if not ask_provider:
            return report
        return replace(report, unknown_batches=self._connected().unknown_batches(), provider_was_asked=True)

    # -- read it ------------------------------------------------------------------------------

    def results(self) -> list[ResultT]:
        """All results in input order, in memory; `RunNotFinishedError` before the end."""
        record = self._record()
        if not record.is_finished:
            raise RunNotFinishedError(self._run_id, call="results()", open_items=record.counts.open)
        return list(self.iter_results())

    def iter_results(self, *, typed: bool = True, order: Literal["input", "completion"] = "input") -> Iterator[ResultT]:
        """The results so far, in input order or in the order in which they ended, in bounded memory.

        With *typed* False, those of a structured run come as text, and its model is not needed.
        """
        reader = self._reader(typed=typed)
        return cast("Iterator[ResultT]", reader.in_input_order() if order == "input" else reader.in_completion_order())

    def read_terminal_results(self, *, after_sequence: int = 0, limit: int = 1_000) -> TerminalResultsPage:
        """Up to *limit* results in the order in which they ended, behind *after_sequence* (0: from the first)."""
        reader = self._reader(typed=True)
        stored = reader.by_sequence(after=after_sequence, limit=limit + 1)
        page = stored[:limit]
        return TerminalResultsPage(
            items=tuple(reader.built(page)),
            next_after_sequence=page[-1].sequence if page else after_sequence,
            has_more=len(stored) > limit,
        )

    def export_terminal_results(
        self, path: Path | str, *, after_sequence: int = 0, append: bool = False, limit: int | None = None
    ) -> TerminalResultsExport:
        """Write results in the order in which they ended, behind *after_sequence*, to *path* as JSON lines.

        Without *append* the file is replaced, whole or not at all. With it, only whole lines are added, none of them twice.
        """
        return export_terminal(
            self._reader(typed=False),
            Path(path),
            after_sequence=after_sequence,
            append=append,
            limit=limit,
            structured=self.is_structured,
        )

    # -- keep it or let it go -----------------------------------------------------------------

    def export_artifacts(self, destination_dir: Path | str) -> ArtifactExport:
        """Copy everything of a finished run to `destination_dir/run_id`.

        That is a manifest with sizes and SHA-256 sums, `results.jsonl`, the request segments, and the raw outputs and errors;
        `verify_bundle` checks it. `RunNotFinishedError` before the end; `ArtifactError` when a file is not what was stored.
        """
        structured = self.is_structured
        pages = self._reader(typed=False).stored_in_input_order()
        lines = chain.from_iterable(page.lines(structured=structured, sequenced=False) for page in pages)
        return export_bundle(self._services, self._run_id, Path(destination_dir), result_lines=lines)

    def prune_artifacts(self, *, include_raw_output_artifacts: bool = False) -> PruneReport:
        """Delete the files of a finished run: its requests, and with *include_raw_output_artifacts* the raw answers.

        Results stay readable, but for `raw_response`. Raw answers go only after an export: else `NotExportedError`,
        and nothing is changed. Files that a crash left are swept on the way.
        """
        return prune(self._services, self._run_id, include_raw=include_raw_output_artifacts)

    # -- within -------------------------------------------------------------------------------

    def _record(self) -> RunRecord:
        with self._services.store.reading() as uow:
            return uow.runs.get(self._run_id)

    @overload
    def _run_cycle(self) -> CycleReport: ...

    @overload
    def _run_cycle(self, *, within_s: float | None) -> CycleReport | None: ...

    def _run_cycle(self, *, within_s: float | None = None) -> CycleReport | None:
        """One cycle, or the end of the one that is under way; None when that takes longer than *within_s* seconds."""
        if self._under_way is None:
            if within_s is None:
                return self._cycle_once()
            self._under_way = in_background(self._cycle_once)
        under_way = self._under_way
        limit_s = None if within_s is None else max(within_s, _SHORTEST_CYCLE_S)
        if not futures.wait([under_way], limit_s).done:
            return None
        self._under_way = None
        return under_way.result()

    def _cycle_once(self) -> CycleReport:
        if self._cycle is None:
            record = self._record()
            if record.is_finished or record.control_state is RunControlState.PAUSED:
                return CycleReport(record)
        return self._connected().run_once()

    def _connected(self) -> Cycle:
        if self._cycle is None:
            self._cycle = self._access.connect(self._record())
        return self._cycle

    def _timed_out(self, timeout_s: float | None) -> WaitTimeoutError:
        return WaitTimeoutError(self._run_id, timeout_s=timeout_s or 0.0, open_items=self._record().counts.open)

    def _refuse_to_wait(self, report: CycleReport) -> None:
        run = report.run
        if run.control_state is RunControlState.PAUSED:
            raise RunPausedError(self._run_id, reason=run.control_reason, message=run.control_message)
        nothing_left = not report.made_progress and report.next_due_at is None
        if nothing_left and not run.ingest.complete and run.ingest.lease.is_free(self._services.now()):
            raise JobRequiredError(self._run_id)

    def _pause_s(self, report: CycleReport) -> float:
        if report.ingested or report.claimed:
            return 0.0
        if report.next_due_at is None:
            return 0.0 if report.made_progress else _LONGEST_SLEEP_S
        return self._seconds_until(report.next_due_at)

    def _seconds_until(self, moment: datetime) -> float:
        seconds = (moment - self._services.now()).total_seconds()
        return min(max(seconds, _SHORTEST_SLEEP_S), _LONGEST_SLEEP_S)

    def _reader(self, *, typed: bool) -> ResultReader:
        schema = StoredJob.from_json(self._record().config).output_schema
        model = None
        if typed and schema is not None:
            model = find_model(schema, given=self._access.model, may_import=self._access.may_import)
        return ResultReader(self._run_id, store=self._services.store, artifacts=self._services.artifacts, model=model)
