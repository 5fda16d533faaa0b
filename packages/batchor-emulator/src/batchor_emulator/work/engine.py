"""Moves every batch through its states, one task each, with the row work on a few threads."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from batchor_emulator.faults.active import ActiveFaults
from batchor_emulator.faults.batch_fault import Cancel, Expire, Fail, Fate, Stick
from batchor_emulator.settings import Settings
from batchor_emulator.state.batch_record import BatchRecord, IllegalTransitionError, InputFault, Tally
from batchor_emulator.state.batch_status import BatchEvent, BatchStatus
from batchor_emulator.state.batch_store import BatchStore
from batchor_emulator.state.file_store import FileStore
from batchor_emulator.state.journal import Journal, total
from batchor_emulator.state.workspace import Workspace
from batchor_emulator.work.execution import Executor
from batchor_emulator.work.fated_failure import fated_input_faults, token_limit_fault
from batchor_emulator.work.input_check import AcceptedInput, InputCheck
from batchor_emulator.work.input_rows import InputRows, RequestRow
from batchor_emulator.work.publish import publish
from batchor_emulator.work.token_ledger import TokenLedger

_log = logging.getLogger("batchor_emulator")
_ROWS_PER_SLICE = 400
_CHECKED_LINES_PER_SLICE = 2_000
_SLICE_S = 0.05


class Engine:
    """Works on all unfinished batches.

    Row work goes to the pool in slices, so many batches share few threads and the event loop stays
    responsive. Everything here may be killed at any moment: each step begins from what is on disk.
    """

    def __init__(
        self, batches: BatchStore, files: FileStore, batches_folder: Path, settings: Settings, faults: ActiveFaults
    ) -> None:
        self.tokens = TokenLedger()
        self._batches = batches
        self._files = files
        self._folder = batches_folder
        self._timing = settings.timing
        self._limits = settings.limits
        self._faults = faults
        self._pool = ThreadPoolExecutor(settings.worker_count, thread_name_prefix="rows")
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._cancelled: dict[str, asyncio.Event] = {}

    def start(self) -> None:
        """Go on with what an earlier process left unfinished."""
        for batch in self._batches.finished():
            Workspace(self._folder, batch.id).clear()
        for batch in self._batches.unfinished():
            if batch.status is not BatchStatus.VALIDATING:
                self.tokens.enqueue(batch.id, batch.model, batch.prompt_tokens, limit=None)
            self.launch(batch.id)

    def launch(self, batch_id: str) -> None:
        """Begin, or go on, with a batch."""
        self._cancelled[batch_id] = asyncio.Event()
        task = asyncio.create_task(self._live(batch_id), name=batch_id)
        self._tasks[batch_id] = task
        task.add_done_callback(self._forget)

    async def cancel(self, batch_id: str) -> BatchRecord:
        """Ask a batch to end early. Raises `IllegalTransitionError`."""
        batch = await self._batches.move(batch_id, BatchEvent.CANCEL)
        if (event := self._cancelled.get(batch_id)) is not None:
            event.set()
        return batch

    async def stop(self) -> None:
        """End all work where it is; the disk knows how to go on."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task.get_name(), None)
        self._cancelled.pop(task.get_name(), None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("batch %s stands still until the next start", task.get_name(), exc_info=error)

    async def _live(self, batch_id: str) -> None:
        while not (batch := self._stored(batch_id)).is_terminal:
            # A cancel may overtake any step: its transition is then refused, and the loop looks again.
            with suppress(IllegalTransitionError):
                await self._step(batch)
        self.tokens.release(batch_id)
        Workspace(self._folder, batch_id).clear()

    async def _step(self, batch: BatchRecord) -> None:
        match batch.status:
            case BatchStatus.VALIDATING:
                await self._validate(batch)
            case BatchStatus.IN_PROGRESS:
                await self._run(batch)
            case BatchStatus.FINALIZING:
                await self._wait(batch.id, batch.entered_at[batch.status] + self._timing.finalizing_s)
                await self._publish(batch, BatchEvent.PUBLISH)
            case BatchStatus.CANCELLING:
                await asyncio.sleep(batch.entered_at[batch.status] + self._timing.cancelling_s - time.time())
                await self._publish(batch, BatchEvent.PUBLISH)
            case other:
                raise AssertionError(f"{batch.id} has no step for {other}")

    def _stored(self, batch_id: str) -> BatchRecord:
        batch = self._batches.get(batch_id)
        if batch is None:
            raise AssertionError(f"{batch_id} is not stored")
        return batch

    async def _validate(self, batch: BatchRecord) -> None:
        if await self._wait(batch.id, batch.created_at + self._timing.validation_s):
            return
        workspace = Workspace(self._folder, batch.id)
        if self._files.get(batch.input_file_id) is None or not workspace.take_input(
            self._files.content_path(batch.input_file_id)
        ):
            await self._reject(batch.id, (_missing_file(batch.input_file_id),))
            return
        if isinstance(outcome := batch.fate and batch.fate.outcome, Fail):
            faults = await self._in_pool(lambda: fated_input_faults(outcome, workspace.input_path))
            if faults:
                await self._reject(batch.id, faults)
                return
        check = InputCheck(workspace.input_path, endpoint=batch.endpoint, limits=self._limits)
        try:
            while not await self._in_pool(lambda: check.advance(_CHECKED_LINES_PER_SLICE)):
                pass
        finally:
            check.close()
        if check.faults:
            await self._reject(batch.id, tuple(check.faults))
            return
        await self._accept(batch.id, check.accepted)

    async def _accept(self, batch_id: str, found: AcceptedInput) -> None:
        limit = self._faults.profile.token_limit(found.model)
        if not self.tokens.enqueue(batch_id, found.model, found.prompt_tokens, limit=limit):
            await self._reject(batch_id, (token_limit_fault(found.model, limit),))
            return
        await self._batches.move(
            batch_id,
            BatchEvent.ACCEPT,
            lambda moved: replace(
                moved, total=found.request_count, model=found.model, prompt_tokens=found.prompt_tokens
            ),
        )

    async def _reject(self, batch_id: str, faults: tuple[InputFault, ...]) -> None:
        await self._batches.move(batch_id, BatchEvent.REJECT, lambda moved: replace(moved, faults=faults))

    async def _run(self, batch: BatchRecord) -> None:
        workspace = Workspace(self._folder, batch.id)
        journal = Journal(workspace.journal_path)
        tally = await self._in_pool(journal.recover)
        self._batches.show_progress(batch.id, tally)
        rows = await self._in_pool(lambda: InputRows(workspace.input_path, batch.id))
        executor = Executor(batch.id, batch.endpoint, batch.fate)
        pace = _Pace(batch, _run_s(batch.fate, self._timing.run_s), self._timing.row_s)
        end = _row_of_end(batch.fate, len(rows))
        while tally.executed < end:
            first = tally.executed
            last = min(first + pace.slice_rows, end)
            if await self._wait(batch.id, min(pace.due_at(last), batch.expires_at)):
                return
            if time.time() >= batch.expires_at:
                await self._publish(self._stored(batch.id), BatchEvent.EXPIRE)
                return
            done = await self._in_pool(partial(_execute, executor, rows.read(first, last), journal))
            tally = tally.plus(done)
            self._batches.show_progress(batch.id, tally)
        await self._in_pool(journal.sync)
        await self._end_run(batch)

    async def _end_run(self, batch: BatchRecord) -> None:
        match batch.fate and batch.fate.outcome:
            case Expire():
                await self._publish(self._stored(batch.id), BatchEvent.EXPIRE)
            case Cancel():
                await self.cancel(batch.id)
            case Stick():
                await self._cancelled[batch.id].wait()
            case _:
                await self._batches.move(batch.id, BatchEvent.RUN_OUT)

    async def _publish(self, batch: BatchRecord, event: BatchEvent) -> None:
        workspace = Workspace(self._folder, batch.id)
        tally = await self._in_pool(Journal(workspace.journal_path).recover)
        batch = batch.with_tally(tally)
        with_expired = event is BatchEvent.EXPIRE
        published = await self._in_pool(lambda: publish(batch, workspace, self._files, with_expired=with_expired))
        expired = Tally(failed=published.expired_count)
        await self._batches.move(
            batch.id,
            event,
            lambda moved: replace(
                moved,
                tally=tally.plus(expired),
                output_file_id=published.output_file_id,
                error_file_id=published.error_file_id,
            ),
        )

    async def _wait(self, batch_id: str, until: float) -> bool:
        """Sleep until a time in Unix seconds; True, early, when the batch is cancelled."""
        cancelled = self._cancelled[batch_id]
        with suppress(TimeoutError):
            await asyncio.wait_for(cancelled.wait(), max(0.0, until - time.time()))
        return cancelled.is_set()

    async def _in_pool[T](self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


class _Pace:
    """Spreads a run evenly over its rows, in slices that take about 50 ms."""

    def __init__(self, batch: BatchRecord, run_s: float, row_s: float) -> None:
        self._started_at = batch.entered_at[BatchStatus.IN_PROGRESS]
        self._per_row_s = row_s + run_s / max(1, batch.total)
        fitting = _ROWS_PER_SLICE if self._per_row_s <= 0 else int(_SLICE_S / self._per_row_s)
        self.slice_rows = max(1, min(_ROWS_PER_SLICE, fitting))

    def due_at(self, row_count: int) -> float:
        """When that many rows should have been executed, in Unix seconds."""
        return self._started_at + row_count * self._per_row_s


def _run_s(fate: Fate | None, usual_s: float) -> float:
    return usual_s if fate is None or fate.run_s is None else fate.run_s


def _row_of_end(fate: Fate | None, row_count: int) -> int:
    """How many rows are executed before the run ends, as the batch's fate has it."""
    match fate and fate.outcome:
        case Expire(at_share=share) | Cancel(at_share=share) | Stick(at_share=share):
            return int(row_count * share)
        case _:
            return row_count


def _execute(executor: Executor, rows: Iterable[RequestRow], journal: Journal) -> Tally:
    executed = executor.execute_all(rows)
    journal.append(executed)
    return total(executed)


def _missing_file(file_id: str) -> InputFault:
    return InputFault("invalid_file", f"The input file {file_id} was deleted before it was validated.", "input_file_id")
