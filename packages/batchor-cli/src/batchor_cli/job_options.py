"""The options of `start` and `run`: what a run does."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from typer import Option


class Endpoint(StrEnum):
    """Which API answers the requests."""

    RESPONSES = "responses"
    CHAT = "chat"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """The rows."""

    input: Annotated[
        list[Path],
        Option(
            "--input",
            help="A file of rows, told by its ending: .jsonl or .csv, also with .gz or .zst, or .parquet; or a folder of "
            "Parquet files. Given again, the next one; the ids of the first then begin with s0:, of the second with s1:.",
            show_default=False,
        ),
    ]
    id_field: Annotated[
        str, Option(help="The field that holds each row's unique id: text, or a whole number.", show_default=False)
    ]
    carry: Annotated[
        list[str] | None,
        Option(metavar="FIELD", help="A field to keep with the result, in its metadata. May be given again."),
    ] = None
    csv_delimiter: Annotated[str, Option(help="What stands between the cells of CSV files; \\t is a tab.")] = ","
    max_line_bytes: Annotated[
        int | None, Option(help="The longest row of a JSON Lines or CSV file. Default: 4 MiB.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptOptions:
    """What each row becomes."""

    prompt_field: Annotated[str | None, Option(help="The field that is the prompt.")] = None
    prompt_template: Annotated[
        str | None,
        Option(help="The prompt with {field} for each field of the row to put in; {{ and }} are braces."),
    ] = None
    system_prompt: Annotated[str | None, Option(help="The instruction that goes with every prompt.")] = None
    on_prompt_error: Annotated[
        Literal["stop", "fail_item"], Option(help="A row that makes no prompt stops the run, or is a failed item.")
    ] = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """Who answers, and how."""

    model: Annotated[str, Option(help="The model, such as gpt-4.1.", show_default=False)]
    endpoint: Annotated[Endpoint, Option(help="Which API answers.")] = Endpoint.RESPONSES
    schema_name: Annotated[str | None, Option(help="The schema's name at the provider. Default: the class's.")] = None
    temperature: Annotated[float | None, Option(help="0 to 2.")] = None
    max_output_tokens: Annotated[int | None, Option(help="The longest answer, reasoning included.")] = None
    reasoning_effort: Annotated[str | None, Option(help="How much a reasoning model thinks: low, medium, high.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitOptions:
    """How much is sent at once."""

    max_requests: Annotated[int | None, Option(help="The most requests in one batch. Default: 50000.")] = None
    enqueued_token_limit: Annotated[
        int | None, Option(help="The account's limit of enqueued prompt tokens for this model. Default: none is kept.")
    ] = None
    enqueue_target_ratio: Annotated[
        float | None, Option(help="How much of that limit to use, above 0 and up to 1. Default: 1.")
    ] = None
    enqueue_headroom: Annotated[int | None, Option(help="Tokens of it to leave to others. Default: 0.")] = None
    max_batch_enqueued_tokens: Annotated[int | None, Option(help="The most prompt tokens in one batch.")] = None
    quota_scope: Annotated[
        str | None,
        Option(help="Runs of equal scope share one budget of tokens. Default: the server, organization and model."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOptions:
    """What becomes of poor answers, and of files."""

    max_attempts: Annotated[int | None, Option(help="How often an item is tried. Default: 3.")] = None
    max_deferrals: Annotated[
        int | None, Option(help="How often an item is sent again that was not run, for instance expired. Default: 10.")
    ] = None
    base_backoff_s: Annotated[
        float | None, Option(help="Seconds before the first retry; doubled for each further one. Default: 30.")
    ] = None
    max_backoff_s: Annotated[float | None, Option(help="The longest wait before a retry. Default: 3600.")] = None
    on_refusal: Annotated[
        Literal["fail", "retry", "accept"] | None, Option(help="When the model declines. Default: fail.")
    ] = None
    on_truncation: Annotated[
        Literal["fail", "retry", "accept"] | None, Option(help="When an answer is cut off. Default: fail.")
    ] = None
    on_empty: Annotated[
        Literal["fail", "retry", "accept"] | None, Option(help="When an answer is empty. Default: retry.")
    ] = None
    drop_raw_outputs: Annotated[
        bool, Option("--drop-raw-outputs", help="Keep no raw output files once their results are stored.")
    ] = False
    delete_provider_files: Annotated[
        bool, Option("--delete-provider-files", help="Delete a batch's files at the provider once results are stored.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """What a run does."""

    source: SourceOptions
    prompt: PromptOptions
    answers: ModelOptions
    limits: LimitOptions
    policies: PolicyOptions
    run_id: Annotated[
        str | None, Option(help="The run's id; that of a stored run goes on with it. Default: a new one.")
    ] = None
