"""The options that commands share."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from batchor_cli.fault_options import FaultOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where runs are stored."""

    storage: Annotated[
        str | None,
        Option(
            metavar="NAME",
            help="sqlite, postgres, memory, or a name that an installed package registered. Default: what --storage-url "
            "is for, else BATCHOR_STORAGE, else sqlite.",
        ),
    ] = None
    storage_url: Annotated[
        str | None,
        Option(
            metavar="URL",
            help="sqlite:///file, postgresql://host/name, or what the storage takes; a password goes into "
            "BATCHOR_STORAGE_URL, never here.",
        ),
    ] = None
    db_path: Annotated[
        Path | None,
        Option(
            "--db-path", "--db", help="The SQLite file. Default: BATCHOR_DB_PATH, else `default` in your data folder."
        ),
    ] = None
    artifacts: Annotated[
        str | None,
        Option(
            metavar="PATH_OR_URL",
            help="Where request and answer files are: a folder, or s3://bucket/prefix. The same for every command on a "
            "run. Default: BATCHOR_ARTIFACTS, else beside the storage.",
        ),
    ] = None
    config: Annotated[
        Path | None,
        Option(metavar="FILE", help="The file of settings. Default: BATCHOR_CONFIG, else the nearest batchor.toml."),
    ] = None
    sandbox: Annotated[
        bool,
        Option(
            "--sandbox",
            help="Work with the bundled emulator: no key, no cost, made-up answers. "
            "Its runs are kept in a database of their own, unless an option says where.",
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChoice:
    """Which run is meant."""

    run: Annotated[str | None, Argument(metavar="RUN", help="The run id.", show_default=False)] = None
    run_id: Annotated[str | None, Option(help="The run id, as an option.")] = None

    def required(self) -> str:
        """The run id; `ConfigurationError` unless exactly one is given."""
        from batchor_core.errors import ConfigurationError

        given = {run_id for run_id in (self.run, self.run_id) if run_id is not None}
        if len(given) != 1:
            raise ConfigurationError("give one run id, as in: batchor status RUN; `batchor runs` lists them")
        return given.pop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How this process reaches the provider; it may differ from command to command of one run."""

    base_url: Annotated[
        str | None, Option(help="The API, ending in /v1. Default: OPENAI_BASE_URL, else OpenAI's own.")
    ] = None
    api_key_env: Annotated[
        str | None,
        Option(
            metavar="NAME",
            help="The environment variable that holds the key, if not OPENAI_API_KEY. "
            "A .env file in the current folder is read too; what is set already goes before it.",
        ),
    ] = None
    structured_output_class: Annotated[
        str | None,
        Option(
            metavar="MODULE:CLASS",
            help="A Pydantic model that each answer must fit. Naming it here allows importing it from the current "
            "folder; a stored run's model is looked for among installed modules only, so name it again there.",
        ),
    ] = None
    poll_interval_s: Annotated[
        float | None,
        Option(
            help="Seconds between two looks at a batch. Default: that of the stored run; for a new one "
            "BATCHOR_POLL_INTERVAL_S, else 30, in the sandbox 0.3."
        ),
    ] = None
    faults: FaultOptions = field(default_factory=FaultOptions)


def typed_command(command: str, run_id: str, *options: Place | Access) -> str:
    """A command for *run_id* with these options, as it is typed."""
    return shlex.join(["batchor", command, run_id, *(part for group in options for part in _typed(group))])


def _typed(group: Place | Access | FaultOptions) -> Iterator[str]:
    for each in fields(group):
        value = getattr(group, each.name)
        if isinstance(value, FaultOptions):
            yield from _typed(value)
            continue
        for one in value if isinstance(value, list) else [value]:
            if one is None or one is False:
                continue
            yield f"--{each.name.replace('_', '-')}"
            if one is not True:
                yield str(one)
