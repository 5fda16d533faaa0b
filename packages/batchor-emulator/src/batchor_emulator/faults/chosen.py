"""One profile out of the flags of a command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import structs

from batchor_emulator.faults.flags import profile_of_flag
from batchor_emulator.faults.presets import preset
from batchor_emulator.faults.profile import FaultProfile, FaultProfileError, merged, read_profile


def chosen_faults(
    *, files: Sequence[Path] = (), presets: Sequence[str] = (), flags: Sequence[str] = (), seed: int | None = None
) -> FaultProfile:
    """All of them at once: JSON *files*, names of *presets*, and *flags* as `NAME[=VALUE]`; *seed* replaces the profile's.

    Raises `FaultProfileError`, also for a file that cannot be read.
    """
    profile = merged(
        [
            *(_read(path) for path in files),
            *(preset(name) for name in presets),
            *(profile_of_flag(text) for text in flags),
        ]
    )
    return profile if seed is None else structs.replace(profile, seed=seed)


def _read(path: Path) -> FaultProfile:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FaultProfileError(f"the fault profile {path} cannot be read: {error.strerror}") from None
    return read_profile(data, name=str(path))
