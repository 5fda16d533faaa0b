"""The options that say which results are written, where to and how."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Option

STDOUT = Path("-")


class ResultFormat(StrEnum):
    """How results are written; also the ending of their files."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class ResultOrder(StrEnum):
    """In which order results are written."""

    INPUT = "input"
    COMPLETION = "completion"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatOptions:
    """How results are written."""

    format: Annotated[
        ResultFormat | None, Option(help="Default: what the ending of --output says, else JSON Lines.")
    ] = None
    no_csv_guard: Annotated[
        bool,
        Option(
            "--no-csv-guard",
            help="Write text to CSV as it is. Else text that begins with = + - @, a tab or a carriage return gets a "
            "leading quote ('), so that no spreadsheet takes it for a formula.",
        ),
    ] = False

    def format_for(self, output: Path) -> ResultFormat:
        """The format that was given, else the one that the ending says."""
        if self.format is not None:
            return self.format
        ending = output.suffix.lower().removeprefix(".")
        return ResultFormat(ending) if ending in set(ResultFormat) else ResultFormat.JSONL


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionOptions:
    """Which results are written."""

    order: Annotated[
        ResultOrder | None,
        Option(help="Default: input; with --after, --limit, --follow or --append: completion."),
    ] = None
    after: Annotated[
        int | None,
        Option(min=0, metavar="N", help="Only results that ended after the one with this sequence, in that order."),
    ] = None
    limit: Annotated[int | None, Option(min=1, metavar="N", help="At most so many.")] = None
    follow: Annotated[
        bool,
        Option("--follow", help="Write new results until the run is finished. It only reads: `wait` drives the run."),
    ] = False
    append: Annotated[
        bool,
        Option("--append", help="Go on behind the last whole line of --output; nothing is written twice."),
    ] = False

    def selection(self, result_format: ResultFormat, output: Path) -> "Selection":
        """What is chosen, if it can be written so; `ConfigurationError` for what cannot."""
        by_sequence = self.after is not None or self.limit is not None or self.follow or self.append
        if fault := self._fault(result_format, to_stdout=output == STDOUT, by_sequence=by_sequence):
            from batchor_core.errors import ConfigurationError

            raise ConfigurationError(fault)
        order = self.order or (ResultOrder.COMPLETION if by_sequence else ResultOrder.INPUT)
        return Selection(order, self.after or 0, self.limit)

    def _fault(self, result_format: ResultFormat, *, to_stdout: bool, by_sequence: bool) -> str | None:
        is_parquet = result_format is ResultFormat.PARQUET
        if by_sequence and self.order is ResultOrder.INPUT:
            return "--after, --limit, --follow and --append are for --order completion"
        if (self.follow or self.append) and result_format is not ResultFormat.JSONL:
            return "--follow and --append write JSON Lines; leave --format out, or end --output in .jsonl"
        if is_parquet and by_sequence:
            return "a Parquet file holds all results; leave --after and --limit out"
        if to_stdout and (is_parquet or self.append):
            return "--append and Parquet need a file; give one as --output"
        return None


@dataclass(frozen=True, slots=True)
class Selection:
    """Some of the results of a run."""

    order: ResultOrder = ResultOrder.INPUT
    after: int = 0
    """Only those with a greater sequence; in completion order."""
    limit: int | None = None
