"""The commands, put together."""

from typing import Annotated

import typer

from batchor_cli.on_demand import add_known

app = typer.Typer(
    help="Run large datasets through LLM batch APIs, durably.",
    epilog=(
        "Exit codes: 0 done, 1 finished with failed items, 2 usage or configuration, 3 input, 4 state of the run, "
        "5 paused, 6 provider, 7 storage, 8 not finished in time, 9 audit or verify found faults, 130/143 stopped. "
        "Documents and results go to stdout, words to stderr."
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"batchor {version('batchor-cli')}")
        raise typer.Exit


@app.callback()
def _batchor(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version


add_known(app)
