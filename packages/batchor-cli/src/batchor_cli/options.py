"""The options that commands share."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option


class Endpoint(StrEnum):
    """Which API answers the requests."""

    RESPONSES = "responses"
    CHAT = "chat"


class OnPromptError(StrEnum):
    """What a row does that makes no prompt."""

    STOP = "stop"
    FAIL_ITEM = "fail_item"

    @property
    def policy(self) -> Literal["stop", "fail_item"]:
        return "stop" if self is OnPromptError.STOP else "fail_item"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where runs are stored."""

    db_path: Annotated[
        Path | None,
        Option(help="The SQLite file. Default: BATCHOR_DB_PATH, else `default` in your data folder."),
    ] = None
    sandbox: Annotated[
        bool,
        Option(
            "--sandbox",
            help="Work with the bundled emulator: no key, no cost, made-up answers. "
            "Its runs are kept in a database of their own, unless --db-path says where.",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """What a run does."""

    input: Annotated[Path, Option("--input", help="A JSON Lines file: one object per line.", show_default=False)]
    id_field: Annotated[str, Option(help="The field that holds each row's unique id.", show_default=False)]
    model: Annotated[str, Option(help="The model, such as gpt-4.1.", show_default=False)]
    prompt_field: Annotated[str | None, Option(help="The field that is the prompt.")] = None
    prompt_template: Annotated[
        str | None,
        Option(help="The prompt with {field} for each field of the row to put in; {{ and }} are braces."),
    ] = None
    system_prompt: Annotated[str | None, Option(help="The instruction that goes with every prompt.")] = None
    schema_name: Annotated[str | None, Option(help="The schema's name at the provider. Default: the class's.")] = None
    run_id: Annotated[
        str | None, Option(help="The run's id; that of a stored run goes on with it. Default: a new one.")
    ] = None
    endpoint: Annotated[Endpoint, Option(help="Which API answers.")] = Endpoint.RESPONSES
    temperature: Annotated[float | None, Option(help="0 to 2.")] = None
    max_output_tokens: Annotated[int | None, Option(help="The longest answer, reasoning included.")] = None
    reasoning_effort: Annotated[str | None, Option(help="How much a reasoning model thinks: low, medium, high.")] = None
    on_prompt_error: Annotated[
        OnPromptError, Option(help="A row that makes no prompt stops the run, or is a failed item.")
    ] = OnPromptError.STOP
    max_requests: Annotated[int | None, Option(help="The most requests in one batch. Default: 50000.")] = None
    max_attempts: Annotated[int | None, Option(help="How often an item is tried. Default: 3.")] = None
