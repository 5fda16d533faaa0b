"""The sandbox: a server of our own for as long as a command runs."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from batchor import SQLiteStorage
from batchor_cli.fault_options import FaultOptions
from batchor_core.errors import ConfigurationError, ProviderError
from batchor_core.ports.state import StateStore
from batchor_emulator import EmulatorProcess, EmulatorStartError, FaultProfile, FaultProfileError
from batchor_emulator.faults.chosen import chosen_faults

SANDBOX_KEY = "sandbox"
POLL_INTERVAL_S = 0.3

_PATIENCE_S = 10.0
_PAUSE_S = 0.2


@contextmanager
def running_sandbox(store: StateStore, faults: FaultOptions) -> Generator[str]:
    """The base URL of an emulator that keeps its state beside the database, so that the next command finds it."""
    emulator = EmulatorProcess(state_dir=_state_dir(store), faults=_profile(faults))
    _start(emulator)
    try:
        yield emulator.base_url
    finally:
        emulator.stop()


def _state_dir(store: StateStore) -> Path | None:
    """Beside the storage; None, and so forgotten when the command ends, where that has no folder."""
    if isinstance(store, SQLiteStorage):
        return store.path.with_name(f"{store.path.stem}_sandbox")
    try:
        root = store.artifact_root
    except ConfigurationError:
        return None
    return None if root is None else root.with_name(f"{root.name}_sandbox")


def _profile(options: FaultOptions) -> FaultProfile:
    try:
        return chosen_faults(files=options.faults or (), presets=options.fault_preset or (), flags=options.fault or ())
    except FaultProfileError as error:
        raise ConfigurationError(str(error)) from None


def _start(emulator: EmulatorProcess) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            emulator.start()
        except EmulatorStartError as error:
            # The emulator of a command that was killed a moment ago may still be on its way out.
            if "another emulator" not in str(error) or time.monotonic() > deadline:
                raise ProviderError(f"the sandbox did not start: {error}") from error
            time.sleep(_PAUSE_S)
        else:
            return
