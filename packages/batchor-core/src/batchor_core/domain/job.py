"""Jobs: what a user wants done, and what of it is stored with the run."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, Literal, Protocol, Self, TypeVar

from batchor_core.domain.capacity import EnqueueLimits
from batchor_core.domain.item import BatchItem, PromptParts
from batchor_core.domain.policies import ArtifactPolicy, ChunkPolicy, RetryPolicy
from batchor_core.domain.results import OutputT
from batchor_core.json_types import JsonObject

PayloadT = TypeVar("PayloadT")

OPERATION = "operation"
"""The part of a stored provider configuration that is not compared."""


class OutputModel(Protocol):
    """What the core needs of a Pydantic model class; `type[BaseModel]` fits."""

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]: ...

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, /) -> Self:
        """An instance; raises `ValueError` (as Pydantic's `ValidationError` is) for what is not one."""
        ...


class ProviderConfig(Protocol):
    """What a job says about its provider: plain values, and possibly a key that is never stored."""

    @property
    def provider(self) -> str:
        """The provider's registered name, such as `openai`."""
        ...

    @property
    def enqueue_limits(self) -> EnqueueLimits | None: ...

    @property
    def quota_scope(self) -> str:
        """Names the queue that its batches wait in; runs of equal scope share one budget of enqueued tokens."""
        ...

    @property
    def poll_interval_s(self) -> float: ...

    @property
    def completion_window_s(self) -> float:
        """How long the provider may take for a batch."""
        ...

    def to_stored(self) -> JsonObject:
        """Everything but secrets, as JSON; equal configurations give equal JSON.

        What may differ from one process to the next (timeouts, intervals) stands under the key `operation`, and is
        not compared when a run is taken up again.
        """
        ...


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """The JSON Schema of the answers, as the provider is given it."""

    name: str
    schema: JsonObject
    sha256: str
    """Of the model's own schema in canonical JSON; tells whether a class found later is the same."""
    model_reference: str | None
    """`module:Class` where the model can be imported again, else None."""


@dataclass(frozen=True, kw_only=True)
class BatchJob(Generic[PayloadT, OutputT]):  # noqa: UP046  type parameters have no defaults in 3.12
    """Rows, the prompt that each becomes, and who answers.

    `build_prompt` returns `PromptParts` or a plain string. When it raises, the run stops with
    an error that names the item and stays resumable (`on_prompt_error="stop"`), or the item is
    recorded as failed (`"fail_item"`). `structured_output` is a Pydantic model class; the answers are then
    checked against it. `batch_metadata` is shown with each batch at the provider. `identity` names what else makes this
    job the same job, such as a prompt template: it is stored, and compared when the run is taken up again.
    """

    items: Iterable[BatchItem[PayloadT]]
    build_prompt: Callable[[BatchItem[PayloadT]], PromptParts | str]
    provider_config: ProviderConfig
    structured_output: type[OutputT] | None = None
    schema_name: str | None = None
    chunk_policy: ChunkPolicy = field(default_factory=ChunkPolicy)
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    artifact_policy: ArtifactPolicy = field(default_factory=ArtifactPolicy)
    batch_metadata: Mapping[str, str] = field(default_factory=dict)
    identity: Mapping[str, str] = field(default_factory=dict)
    on_prompt_error: Literal["stop", "fail_item"] = "stop"

    def __class_getitem__(cls, parameters: Any) -> Any:
        """`BatchJob[Payload]` is `BatchJob[Payload, None]`, as type checkers read it; before 3.13 it has to be said."""
        given = parameters if isinstance(parameters, tuple) else (parameters, None)
        return super().__class_getitem__(given)  # type: ignore[misc]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """What of a job outlives its process: everything but the source, the code and the key."""

    provider: str
    provider_config: JsonObject
    output_schema: OutputSchema | None
    chunk_policy: ChunkPolicy
    retry_policy: RetryPolicy
    artifact_policy: ArtifactPolicy
    batch_metadata: Mapping[str, str]
    identity: Mapping[str, str]

    def to_json(self) -> JsonObject:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        schema = stored["output_schema"]
        return cls(
            provider=stored["provider"],
            provider_config=stored["provider_config"],
            output_schema=None if schema is None else OutputSchema(**schema),
            chunk_policy=ChunkPolicy(**stored["chunk_policy"]),
            retry_policy=RetryPolicy(**stored["retry_policy"]),
            artifact_policy=ArtifactPolicy(**stored["artifact_policy"]),
            batch_metadata=stored["batch_metadata"],
            identity=stored["identity"],
        )

    def differences(self, other: "StoredJob") -> list[str]:
        """`name: here, now there` for each part that differs; empty when a run may go on."""
        here, there = _compared(self), _compared(other)
        return [f"{name}: {here[name]!r}, now {there[name]!r}" for name in here if here[name] != there[name]]


def _compared(job: StoredJob) -> dict[str, object]:
    """What makes a job the same job. A JSON round trip makes tuples and lists alike."""
    config = {name: value for name, value in job.provider_config.items() if name != OPERATION}
    parts: dict[str, object] = json.loads(json.dumps({**job.to_json(), "provider_config": config}))
    return parts
