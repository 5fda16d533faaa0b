"""What can be set, with units and defaults."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

type PositiveSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
type PositiveNumber = Annotated[int, Field(ge=1)]


class Settings(BaseSettings):
    """How a process stores and drives runs; nothing here says what is sent: that is the job's.

    `Settings(…)` takes its arguments and the defaults alone; `batchor.settings.load_settings` reads
    `BATCHOR_<NAME>` and `batchor.toml` too.
    """

    model_config = SettingsConfigDict(
        env_prefix="BATCHOR_", frozen=True, extra="ignore", env_ignore_empty=True, use_attribute_docstrings=True
    )

    storage: str = "sqlite"
    """The registered name of the storage: `sqlite`, `postgres`, `memory`, or a third party's."""

    storage_url: str | None = Field(default=None, repr=False)
    """Where the storage is, as a URL; unset: its default place. Says which storage, where `storage` does not."""

    artifacts: str | None = None
    """The folder, or URL such as `s3://bucket/prefix`, of request and answer files; unset: beside the storage."""

    db_path: Path | None = None
    """The SQLite file, as a path; unset: `<db_name>.sqlite3` in the user's data folder."""

    db_name: str = "default"
    """The name of the SQLite file in the user's data folder, where no path and no URL is set."""

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

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # The other sources are read one by one, so that each value's origin is known.
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def variable_of(setting: str) -> str:
    """The environment variable of a setting."""
    return f"{Settings.model_config.get('env_prefix', '')}{setting.upper()}"
