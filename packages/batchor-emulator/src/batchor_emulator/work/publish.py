"""Turns what a batch has done into its output and error file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from batchor_emulator.identifiers import result_file_id
from batchor_emulator.state.batch_record import BatchRecord
from batchor_emulator.state.file_store import FileRecord, FileStore, PendingFile
from batchor_emulator.state.journal import Journal
from batchor_emulator.state.private_files import rename_durably
from batchor_emulator.state.workspace import Workspace
from batchor_emulator.work.input_rows import InputRows
from batchor_emulator.work.line_faults import delivered_lines
from batchor_emulator.work.result_lines import expired_line

_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Published:
    """The files of a finished batch; None where there was no line for one."""

    output_file_id: str | None
    error_file_id: str | None
    expired_count: int


def publish(batch: BatchRecord, workspace: Workspace, files: FileStore, *, with_expired: bool) -> Published:
    """Write both files and the ledger.

    The journal stays, so that a crash before the batch is stored as finished leads here again,
    and to the same files. *with_expired* adds an error line for every request that was not run.
    """
    journal = Journal(workspace.journal_path)
    output = _ResultFile(files, batch, "output")
    errors = _ResultFile(files, batch, "error")
    with ExitStack() as cleanup:
        cleanup.callback(output.discard)
        cleanup.callback(errors.discard)
        for request, lines in delivered_lines(batch, workspace):
            for line in lines:
                (output if request.succeeded else errors).add(line)
        expired_count = 0
        if with_expired:
            for line in _expired_lines(batch, workspace):
                errors.add(line)
                expired_count += 1
        published = _kept(batch, output, errors, expired_count)
    _write_ledger(journal, workspace)
    return published


def _kept(batch: BatchRecord, output: _ResultFile, errors: _ResultFile, expired_count: int) -> Published:
    fate = batch.fate
    if fate is not None and fate.error_file == "empty":
        errors.create()
    return Published(
        output_file_id=None if fate is not None and fate.output_file == "missing" else output.keep(),
        error_file_id=None if fate is not None and fate.error_file == "missing" else errors.keep(),
        expired_count=expired_count,
    )


def _expired_lines(batch: BatchRecord, workspace: Workspace) -> Iterator[bytes]:
    rows = InputRows(workspace.input_path, batch.id)
    for row in rows.read(batch.tally.executed, len(rows)):
        yield expired_line(batch.id, row.custom_id)


def _write_ledger(journal: Journal, workspace: Workspace) -> None:
    temporary = PendingFile(workspace.ledger_path.with_name(f".{workspace.batch_id}.ledger.tmp"))
    try:
        block = bytearray()
        for entry, _ in journal.read():
            block += entry + b"\n"
        temporary.write(block)
        temporary.finish()
        rename_durably(temporary.path, workspace.ledger_path)
    finally:
        temporary.discard()


class _ResultFile:
    """A result file that exists only once a line was added, or it was created."""

    def __init__(self, files: FileStore, batch: BatchRecord, kind: str) -> None:
        self._files = files
        self._batch = batch
        self._kind = kind
        self._pending: PendingFile | None = None
        self._block = bytearray()

    def add(self, line: bytes) -> None:
        self._block += line + b"\n"
        if len(self._block) >= _BLOCK_BYTES:
            self._flush()

    def create(self) -> None:
        """Have the file exist also without a line."""
        if self._pending is None:
            self._pending = self._files.pending()

    def keep(self) -> str | None:
        self._flush()
        if self._pending is None:
            return None
        now = time.time()
        seconds = self._batch.output_expires_after_s
        record = FileRecord(
            id=result_file_id(self._batch.id, self._kind),
            filename=f"{self._batch.id}_{self._kind}.jsonl",
            purpose="batch_output",
            bytes=self._pending.byte_count,
            created_at=now,
            expires_at=None if seconds is None else now + seconds,
        )
        self._files.keep(self._pending, record)
        return record.id

    def discard(self) -> None:
        if self._pending is not None:
            self._pending.discard()

    def _flush(self) -> None:
        if not self._block:
            return
        if self._pending is None:
            self._pending = self._files.pending()
        self._pending.write(self._block)
        self._block.clear()
