"""`config show`."""

import sys
from typing import Annotated

import typer

from batchor_cli.flattened import flattened
from batchor_cli.options import Place
from batchor_cli.terminal import print_document, print_text

config = typer.Typer(
    name="config",
    help="What is set, and who decided it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@config.callback()
def _config() -> None:
    """Keep `show` a command of its own: typer would make the only command of a group the group."""


@config.command()
@flattened
def show(
    place: Place,
    as_json: Annotated[bool, typer.Option("--json", help="JSON also on a terminal.")] = False,
) -> None:
    """Each setting, its value, and where it came from: flag, variable, file or default. Passwords and keys are masked."""
    from batchor_cli.documents import settings_document
    from batchor_cli.session import settings_at
    from batchor_cli.settings_table import settings_table

    document = settings_document(settings_at(place))
    if sys.stdout.isatty() and not as_json:
        print_text(settings_table(document))
    else:
        print_document(document)
