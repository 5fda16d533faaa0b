"""Results of a run, written to a file or to stdout in one of the formats."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchor import Run, TextItemResult
from batchor_cli.result_csv import csv_lines
from batchor_cli.result_options import STDOUT, ResultFormat, ResultOrder, Selection
from batchor_cli.result_shape import ResultShape, shape_of
from batchor_cli.session import Session
from batchor_cli.terminal import printable, unbroken_pipe
from batchor_core.application.line_file import replace_lines
from batchor_core.application.read_results import ResultReader
from batchor_core.application.result_lines import result_lines
from batchor_core.domain.results import StoredResult
from batchor_core.errors import ConfigurationError


@dataclass(slots=True)
class Progress:
    """How many results were written, and how far that is in the order of completion."""

    sequence: int = 0
    """Of the last one that was written."""
    count: int = 0

    def watching[ResultT: (StoredResult, TextItemResult)](self, results: Iterable[ResultT]) -> Iterator[ResultT]:
        for result in results:
            yield result
            self.sequence = result.sequence
            self.count += 1


@dataclass(frozen=True, slots=True)
class Style:
    """How results are written."""

    format: ResultFormat
    csv_guard: bool = True


@dataclass(frozen=True, slots=True)
class ResultExport:
    """The results of one run, as they are stored: neither its model nor a key is needed."""

    run: Run[Any]
    reader: ResultReader
    shape: ResultShape
    style: Style

    @classmethod
    def of(cls, run: Run[Any], session: Session, style: Style) -> "ResultExport":
        reader = ResultReader(run.run_id, store=session.store, artifacts=session.artifacts, model=None)
        return cls(run, reader, shape_of(session.store, run.run_id), style)

    def write(self, path: Path, selection: Selection, *, append: bool = False) -> Progress:
        """Results to *path*, for its owner alone (0600), in bounded memory.

        Without *append* the file holds all of them, or what it held before. With it, whole lines are added.
        """
        if self.style.format is ResultFormat.PARQUET:
            from batchor_parquet import write_parquet

            return Progress(count=write_parquet(self.run, path, order=selection.order.value))
        if self.style.format is ResultFormat.JSONL and selection.order is ResultOrder.COMPLETION:
            done = self.run.export_terminal_results(
                path, after_sequence=selection.after, append=append, limit=selection.limit
            )
            return Progress(done.next_after_sequence, done.exported_count)
        progress = Progress(selection.after)
        replace_lines(path, self._lines(selection, progress))
        return progress

    def print(self, selection: Selection, progress: Progress) -> None:
        """Results to stdout; *progress* tells at every moment how far that is."""
        escape = sys.stdout.isatty()
        with unbroken_pipe():
            for line in self._lines(selection, progress):
                sys.stdout.buffer.write(_escaped(line) if escape else line)
            sys.stdout.buffer.flush()

    def pages(self, selection: Selection) -> Iterator[Sequence[StoredResult]]:
        """The results as they are stored."""
        if selection.order is ResultOrder.INPUT:
            return self.reader.pages_in_input_order()
        return self.reader.pages_in_completion_order(after=selection.after, limit=selection.limit)

    def _lines(self, selection: Selection, progress: Progress) -> Iterator[bytes]:
        pages = self.pages(selection)
        # As from the library: the sequence goes with results that are read in its order.
        sequenced = selection.order is ResultOrder.COMPLETION
        if self.style.format is ResultFormat.CSV:
            results = (result for page in pages for result in progress.watching(self.reader.built(page)))
            return csv_lines(results, shape=self.shape, guard=self.style.csv_guard, sequenced=sequenced)
        stored = (result for page in pages for result in progress.watching(page))
        structured = self.shape.is_structured
        return (result_lines([result], structured=structured, sequenced=sequenced) for result in stored)


def check_target(path: Path) -> None:
    """`ConfigurationError` when no result file can be written to *path*."""
    if path == STDOUT:
        raise ConfigurationError("these results cannot go to stdout; give a file as --output")
    if not path.parent.is_dir():
        raise ConfigurationError(f"there is no folder {path.parent}; make it, or give another --output")
    if path.exists() and not path.is_file():
        raise ConfigurationError(f"{path} is no file that results can replace; give another --output")


def _escaped(line: bytes) -> bytes:
    text = line.decode()
    return (printable(text.removesuffix("\n").removesuffix("\r")) + "\n").encode()
