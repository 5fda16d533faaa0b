"""What is printed: JSON and results on stdout, words on stderr."""

import json
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any


def note(text: str) -> None:
    """A line of words on stderr."""
    sys.stderr.write(f"{printable(text)}\n")
    sys.stderr.flush()


def print_document(document: Mapping[str, Any]) -> None:
    """One JSON document on stdout: indented for a terminal, on one line for a pipe."""
    indent = 2 if sys.stdout.isatty() else None
    print_text(json.dumps(document, indent=indent))


def print_text(text: str) -> None:
    """Text on stdout."""
    with unbroken_pipe():
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def printable(text: str) -> str:
    """*text* with everything escaped that a terminal could take for a command, line feeds apart."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char == "\n" or char.isprintable() else _escaped(char) for char in text)


@contextmanager
def unbroken_pipe() -> Generator[None]:
    """End quietly when the reader of stdout has gone, as `batchor results | head` does."""
    try:
        yield
    except BrokenPipeError:
        import typer

        from batchor_cli.exit_codes import BROKEN_PIPE

        # What is left in the buffer would raise once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(BROKEN_PIPE) from None


def _escaped(char: str) -> str:
    # JSON's own escapes, so that a line of JSON stays one.
    return json.dumps(char)[1:-1]
