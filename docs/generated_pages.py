"""What the site shows straight from the code: put in where a page has a line such as `<!-- generated: state tables -->`."""

import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import performance_tables
import typer
from markdown_table import table

from batchor.settings import Settings
from batchor_cli.app import app
from batchor_core.domain import batch, item, run

_MARKER = re.compile(r"^<!-- generated: (.+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: object) -> str:
    """The hook that mkdocs calls for each page; a marker that nothing generates is a `KeyError`."""
    return _MARKER.sub(lambda marker: _GENERATORS[marker[1]](), markdown)


@dataclass(frozen=True, slots=True)
class StateTable:
    """A state machine, and the module in which it is defined."""

    title: str
    table: Mapping[tuple[StrEnum, StrEnum], StrEnum]
    terminal: Collection[StrEnum] = ()


STATE_TABLES = (
    StateTable("Items", item.TRANSITIONS, item.TERMINAL),
    StateTable("Batches", batch.TRANSITIONS, batch.TERMINAL),
    StateTable("Runs", run.TRANSITIONS, run.TERMINAL),
    StateTable("Control of runs", run.CONTROL_TRANSITIONS),
)


def state_tables() -> str:
    """Every state table, with its terminal statuses."""
    return "\n\n".join(_state_table(each) for each in STATE_TABLES)


def _state_table(machine: StateTable) -> str:
    rows = [(f"`{status}`", f"`{event}`", f"`{target}`") for (status, event), target in machine.table.items()]
    terminal = ", ".join(f"`{status}`" for status in sorted(machine.terminal))
    ends = f"\n\nTerminal: {terminal}." if terminal else ""
    return f"## {machine.title}\n\n{table(('from', 'event', 'to'), rows)}{ends}"


def derived_statuses() -> str:
    """Which status an item has by the state of the batch that holds it."""
    rows = [(f"`{state}`", f"`{status}`") for state, status in item.BATCH_STATE_TO_STATUS.items()]
    return table(("the batch is", "its items are"), rows)


def commands() -> str:
    """Every command with its help, usage and options, as the command itself shows them."""
    group = typer.main.get_command(app)
    top = group.make_context("batchor", [], resilient_parsing=True)
    return "\n\n".join(_command(context) for context in _subcommands(group, top))


def _subcommands(group: Any, context: Any) -> Iterator[Any]:
    """Each command's context; of a group of commands, those in it."""
    for name, command in sorted(group.commands.items()):
        own = command.make_context(name, [], parent=context, resilient_parsing=True)
        # Not `command`: that one may only stand for the command, until it is called.
        if hasattr(own.command, "commands"):
            yield from _subcommands(own.command, own)
        else:
            yield own


def _command(context: Any) -> str:
    command = context.command
    usage = f"```text\n{command.get_usage(context)}\n```"
    rows = [_shown(record) for param in command.params if (record := param.get_help_record(context))]
    title = context.command_path.removeprefix("batchor ")
    return f"## {title}\n\n{inspect.cleandoc(command.help or '')}\n\n{usage}\n\n{table(('option', 'meaning'), rows)}"


def _shown(record: tuple[str, str]) -> tuple[str, str]:
    option, meaning = record
    return f"`{option}`", meaning.replace("{", "&#123;").replace("<", "&lt;")


def settings() -> str:
    """The settings with their variables, defaults and docstrings."""
    return table(("variable", "default", "meaning"), list(_settings()))


def _settings() -> Iterator[tuple[str, str, str]]:
    prefix = Settings.model_config.get("env_prefix", "")
    for name, field in Settings.model_fields.items():
        default = "unset" if field.default is None else f"`{field.default}`"
        yield f"`{prefix}{name.upper()}`", default, field.description or ""


_GENERATORS: Mapping[str, Callable[[], str]] = {
    "commands": commands,
    "derived statuses": derived_statuses,
    "settings": settings,
    **performance_tables.GENERATORS,
    "state tables": state_tables,
}
