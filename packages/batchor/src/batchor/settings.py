"""What the environment decides: `BATCHOR_*` variables."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from batchor_core.errors import ConfigurationError

_PREFIX = "BATCHOR_"

type PositiveSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
type PositiveNumber = Annotated[int, Field(ge=1)]


class Settings(BaseSettings):
    """How this process stores and drives runs; each field is read from `BATCHOR_<NAME>`.

    An argument goes before the environment, the environment before the default. Nothing here says
    what is sent: that is the job's.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, use_attribute_docstrings=True
    )

    storage: str = "sqlite"
    """The registered name of the storage: `sqlite`, `memory`, or a third party's."""

    db_path: Path | None = None
    """The SQLite file; unset: `<db_name>.sqlite3` in the user's data folder."""

    db_name: str = "default"
    """The name of the SQLite file in the user's data folder, where `db_path` is unset."""

    db_must_exist: bool = False
    """Refuse to create the SQLite file, so that a misspelt path is noticed."""

    lease_ttl_s: PositiveSeconds = 30.0
    """Seconds after which the work of a process that died is taken over."""

    concurrency: PositiveNumber = 4
    """Batches that are uploaded, polled or downloaded at once."""

    recovery_quarantine_s: PositiveSeconds = 120.0
    """Seconds for which a batch whose creation had no clear answer is looked for before it is sent anew."""

    poll_interval_s: PositiveSeconds = 30.0
    """Seconds between two looks at a batch, where the job does not say it. Stored with a run when it starts."""

    slice_rows: PositiveNumber = 5_000
    """Rows that one step of ingestion reads before it is made durable; also what is held in memory."""


def load_settings() -> Settings:
    """The settings of this environment; `ConfigurationError` names each variable that cannot be used."""
    try:
        return Settings()
    except ValidationError as error:
        faults = "; ".join(
            f"{_PREFIX}{str(fault['loc'][0]).upper()}={fault['input']!r}: {fault['msg']}" for fault in error.errors()
        )
        raise ConfigurationError(f"the environment cannot be used: {faults}; correct or unset it") from None
