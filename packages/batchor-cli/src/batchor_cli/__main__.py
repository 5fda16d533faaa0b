"""The entry: runs a command, and turns every error into a message and an exit code."""

import os
import sys

from batchor_cli.exit_codes import exit_code_of
from batchor_cli.signals import Stopped, stoppable
from batchor_cli.terminal import note

_DEBUG = "BATCHOR_DEBUG"


def main() -> None:
    """The command `batchor`."""
    from batchor_cli.app import app

    try:
        with stoppable():
            app(prog_name="batchor")
    except Stopped as stop:
        sys.exit(stop.exit_code)
    except Exception as error:
        if os.environ.get(_DEBUG) == "1":
            raise
        note(_message(error))
        sys.exit(exit_code_of(error))


def _message(error: Exception) -> str:
    from batchor_core.errors import BatchorError

    if isinstance(error, BatchorError | OSError):
        return f"error: {error}"
    return f"error: {type(error).__name__}: {error}; this is a fault of batchor, {_DEBUG}=1 shows where"


if __name__ == "__main__":
    main()
