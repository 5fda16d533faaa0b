"""Every error that batchor raises on purpose.

```
BatchorError
├── ConfigurationError            what the caller gave cannot work
│   ├── InvalidRunIdError
│   ├── MissingPackageError       an adapter's package is not installed
│   ├── MissingCredentialsError
│   ├── UnknownAdapterError       no storage or provider of that name
│   └── StructuredOutputError     the model or its schema cannot be used
│       └── SchemaNotStrictError  names every fault of the schema
├── SourceError                   the input cannot be read as items
│   ├── SourceRowError            one row, named by file and line
│   ├── InvalidItemError
│   ├── DuplicateItemIdError
│   └── PromptBuildError          `build_prompt` raised
├── RequestEncodingError          one prompt cannot become a request
├── StateError                    the run is not what the call needs
│   ├── RunNotFoundError
│   ├── RunExistsError
│   ├── RunNotFinishedError
│   ├── NotExportedError         raw answers are pruned only after an export
│   ├── RunPausedError
│   ├── RunCancelledError
│   ├── SourceChangedError
│   ├── ConfigChangedError
│   ├── JobRequiredError          rows are not ingested and the job is not at hand
│   ├── WaitTimeoutError
│   ├── IllegalTransitionError   a fault of batchor itself
│   └── LeaseLostError            another worker has taken the work over
├── StorageError                  the state cannot be read or written
│   ├── StorageUnavailableError   not now: what is committed is safe, and trying again is too
│   └── StorageVersionError       a newer batchor wrote it
├── ArtifactError                 a request or answer file cannot be read or written
│   └── ArtifactNotFoundError
└── ProviderError                 the provider's side
    ├── ProviderUnavailableError  no clear answer: it may or may not have acted
    ├── ProviderThrottledError    it did not act, and may later
    └── ProviderRefusedError      it did not act, and will not: see `consequence`
```

`ProviderError`s say whether the provider *may have acted*; that, and nothing else, decides whether
a batch creation has to be recovered.
"""

from collections.abc import Sequence
from enum import StrEnum


class BatchorError(Exception):
    """The root of all errors raised on purpose."""


class ConfigurationError(BatchorError):
    """What the caller gave cannot work, whatever is retried."""


class InvalidRunIdError(ConfigurationError):
    """The run id is not one that batchor accepts."""

    def __init__(self, run_id: object) -> None:
        shown = repr(run_id)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        super().__init__(
            f"{shown} is not a run id: use 1 to 128 letters, digits, '.', '_' or '-', "
            "beginning with a letter or a digit"
        )


class MissingPackageError(ConfigurationError):
    """An adapter's package is not installed."""

    def __init__(self, what: str, *, package: str) -> None:
        super().__init__(f"{what} needs the package {package}; install it with: pip install {package}")
        self.package = package


class MissingCredentialsError(ConfigurationError):
    """No key was given for the provider, and the environment has none."""


class UnknownAdapterError(ConfigurationError):
    """No storage or provider is registered under that name."""

    def __init__(self, kind: str, name: str, *, known: Sequence[str]) -> None:
        super().__init__(f"there is no {kind} {name!r}; known: {', '.join(known)}")


class StructuredOutputError(ConfigurationError):
    """The output model, or the schema made from it, cannot be used."""


class SchemaNotStrictError(StructuredOutputError):
    """The schema is outside of what the provider accepts as strict; `faults` names every place."""

    def __init__(self, schema_name: str, faults: Sequence[str]) -> None:
        listing = "".join(f"\n  {fault}" for fault in faults)
        super().__init__(f"the output schema {schema_name!r} is not strict:{listing}")
        self.faults = tuple(faults)


class SourceError(BatchorError):
    """The input cannot be read as items."""


class SourceRowError(SourceError):
    """One row of a file is not what the source needs."""

    def __init__(self, reference: str, line: int, problem: str) -> None:
        super().__init__(f"{reference}, line {line}: {problem}")
        self.reference = reference
        self.line = line


class InvalidItemError(SourceError):
    """An item has no usable id, or metadata that JSON cannot hold."""


class DuplicateItemIdError(SourceError):
    """Two items of one run have the same id."""

    def __init__(self, run_id: str, item_id: str, *, index: int | None = None) -> None:
        place = "" if index is None else f" (the second one is item number {index + 1})"
        super().__init__(
            f"run {run_id!r}: the item id {item_id!r} occurs twice{place}; "
            "ids must be unique within a run: correct the input and start a new run"
        )
        self.item_id = item_id


class PromptBuildError(SourceError):
    """`build_prompt` raised, or returned something that is no prompt."""

    def __init__(self, run_id: str, item_id: str, problem: str) -> None:
        super().__init__(
            f"build_prompt failed for item {item_id!r}: {problem}; correct it and start the job again with "
            f"run_id={run_id!r}, or pass on_prompt_error='fail_item' to record such items as failed"
        )
        self.run_id = run_id
        self.item_id = item_id


class RequestEncodingError(BatchorError):
    """One prompt cannot become a request: for instance it holds half of a surrogate pair."""


class StateError(BatchorError):
    """The run is not in the state that the call needs."""


class RunNotFoundError(StateError):
    """No run of that id is stored here."""

    def __init__(self, run_id: str, *, nearest: Sequence[str] = ()) -> None:
        hint = f"; did you mean {', '.join(nearest)}?" if nearest else ""
        super().__init__(f"there is no run {run_id!r} in this storage{hint}")
        self.run_id = run_id
        self.nearest = tuple(nearest)


class RunExistsError(StateError):
    """A run of that id is stored already."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {run_id!r} exists already; choose another id")
        self.run_id = run_id


class RunNotFinishedError(StateError):
    """The call is for finished runs only."""

    def __init__(self, run_id: str, *, call: str, open_items: int) -> None:
        super().__init__(
            f"{call} needs a finished run, and {run_id!r} has {open_items} open items; "
            "call wait() first, or read what has ended so far with iter_results()"
        )
        self.run_id = run_id


class NotExportedError(StateError):
    """Raw answers would be lost: they were not exported. Nothing was pruned."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"the raw answers of run {run_id!r} were not exported, and would be lost; nothing was pruned: "
            "call export_artifacts() first, or prune without include_raw_output_artifacts"
        )
        self.run_id = run_id


class RunPausedError(StateError):
    """The run is paused and makes no progress until `resume()`."""

    def __init__(self, run_id: str, *, reason: str | None, message: str | None = None) -> None:
        detail = f": {message}" if message else ""
        super().__init__(
            f"run {run_id!r} is paused ({reason or 'by request'}){detail}; remove the cause, then call resume()"
        )
        self.run_id = run_id
        self.reason = reason


class RunCancelledError(StateError):
    """The run was cancelled, and what it left undone stays undone."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {run_id!r} was cancelled; start a new run for what it left undone")
        self.run_id = run_id


class SourceChangedError(StateError):
    """The input is not the one that this run was started with."""

    def __init__(self, run_id: str, *, stored: str, change: str) -> None:
        super().__init__(
            f"run {run_id!r} was started from {stored}, but {change}; restore the input, or start a new run id"
        )
        self.run_id = run_id


class ConfigChangedError(StateError):
    """The job's configuration is not the one that this run was started with."""

    def __init__(self, run_id: str, *, differences: Sequence[str]) -> None:
        listing = "; ".join(differences)
        super().__init__(
            f"run {run_id!r} was started with another configuration ({listing}); "
            "give the stored configuration, or start a new run id"
        )


class JobRequiredError(StateError):
    """Rows of the source are not ingested yet, and this process does not hold the job."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"run {run_id!r} has not read its whole input, and only the job can read on; "
            f"call start(job, run_id={run_id!r}) with the job that began it"
        )


class WaitTimeoutError(StateError):
    """`wait(timeout=…)` ended before the run did; the run goes on being resumable."""

    def __init__(self, run_id: str, *, timeout_s: float, open_items: int) -> None:
        super().__init__(
            f"run {run_id!r} has {open_items} open items after {timeout_s:g} s; call wait() again to go on"
        )


class IllegalTransitionError(StateError):
    """A step tried to leave the state table; a fault of batchor, and nothing was written."""

    def __init__(self, status: str, event: str) -> None:
        super().__init__(f"no transition leads from {status!r} by {event!r}; nothing was written, please report this")


class LeaseLostError(StateError):
    """Another worker has taken this work over; nothing of the refused write is stored."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the lease on {what} was lost to another worker; nothing was written, that worker goes on")


class StorageError(BatchorError):
    """The state cannot be read or written."""


class StorageUnavailableError(StorageError):
    """The database cannot be reached, or is too busy, at the moment: what is committed is safe, and trying again is too."""


class StorageVersionError(StorageError):
    """The stored schema is newer than this version of batchor; it was not touched."""

    def __init__(self, place: str, *, found: int, supported: int) -> None:
        super().__init__(
            f"{place} has schema version {found}, this batchor knows versions up to {supported}; "
            "upgrade batchor, the data was not touched"
        )


class ArtifactError(BatchorError):
    """A request or answer file cannot be read or written."""


class ArtifactNotFoundError(ArtifactError):
    """No artifact of that name is stored."""

    def __init__(self, name: str, *, place: str) -> None:
        super().__init__(f"there is no artifact {name!r} in {place}; restore it from a backup or start a new run")
        self.name = name


class ProviderError(BatchorError):
    """Something on the provider's side; the text never holds a credential."""

    def __init__(self, message: str, *, status_code: int | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.code = code


class ProviderUnavailableError(ProviderError):
    """No clear answer (connection lost, timeout, 408, 409, 5xx): the provider may have acted."""

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, status_code=status_code, code=code)
        self.retry_after_s = retry_after_s


class ProviderThrottledError(ProviderUnavailableError):
    """The provider did not act and asks to come back later (429 without a quota code)."""


class RefusalConsequence(StrEnum):
    """What a definite refusal means for the run."""

    REQUEST = "provider_refused"
    """This request is wrong (400, 413, 422)."""
    AUTH = "auth"
    """The key is missing, wrong, or may not do this (401, 403)."""
    QUOTA = "quota"
    """The account is out of quota or over its billing limit."""
    NOT_FOUND = "missing_batch"
    """The provider does not know the file or batch (404): another key or project."""


class ProviderRefusedError(ProviderError):
    """A definite refusal: the provider did not act, and repeating the call will not help."""

    def __init__(
        self,
        message: str,
        *,
        consequence: RefusalConsequence,
        status_code: int | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message, status_code=status_code, code=code)
        self.consequence = consequence
