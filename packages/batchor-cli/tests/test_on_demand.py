"""What the list of commands says of each, beside the command itself."""

import inspect
import pkgutil
from typing import Any

import pytest
import typer

from batchor_cli import commands
from batchor_cli.app import app
from batchor_cli.on_demand import KNOWN, loaded

WIDTHS = (20, 45, 80, 500)
"""In characters: a list cuts what is longer."""


@pytest.mark.parametrize("name", KNOWN)
def test_the_list_shows_what_the_command_says_of_itself(name: str) -> None:
    group: Any = typer.main.get_command(app)
    listed = group.get_command(group.make_context("batchor", [], resilient_parsing=True), name)
    itself = loaded(name)
    assert itself.name == name
    assert inspect.cleandoc(itself.help).replace("\n", " ").startswith(KNOWN[name].summary)
    assert [listed.get_short_help_str(width) for width in WIDTHS] == [
        itself.get_short_help_str(width) for width in WIDTHS
    ]


def test_every_module_of_commands_is_known() -> None:
    modules = {module.name for module in pkgutil.iter_modules(commands.__path__)}
    assert {known.module for known in KNOWN.values()} == modules
