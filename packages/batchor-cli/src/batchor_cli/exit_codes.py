"""Which error ends the command with which code; the README has the same table."""

FINISHED_WITH_FAILURES = 1
PAUSED = 5
FOUND_FAULTS = 9
BROKEN_PIPE = 141
_UNEXPECTED = 70


def exit_code_of(error: Exception) -> int:
    """The exit code that says what kind of error it was."""
    from batchor_core import errors

    table: tuple[tuple[type[Exception], int], ...] = (
        (errors.ConfigurationError, 2),
        (errors.SourceError, 3),
        (errors.RequestEncodingError, 3),
        (errors.RunPausedError, PAUSED),
        (errors.WaitTimeoutError, 8),
        (errors.StateError, 4),
        (errors.ProviderError, 6),
        (errors.StorageError, 7),
        (errors.ArtifactError, 7),
        (OSError, 7),
    )
    return next((code for kind, code in table if isinstance(error, kind)), _UNEXPECTED)
