"""The files that a batch needs while it is worked on."""

from __future__ import annotations

import os
from pathlib import Path

from batchor_emulator.ledger import JOURNAL_SUFFIX, LEDGER_SUFFIX


class Workspace:
    """Names the input, the journal and the ledger of one batch.

    The input is a hard link to the uploaded file: from validation on, deleting the upload takes
    nothing away from the batch.
    """

    def __init__(self, folder: Path, batch_id: str) -> None:
        self.batch_id = batch_id
        self.input_path = folder / f"{batch_id}.input"
        self.journal_path = folder / f"{batch_id}{JOURNAL_SUFFIX}"
        self.ledger_path = folder / f"{batch_id}{LEDGER_SUFFIX}"

    def take_input(self, content_path: Path) -> bool:
        """Secure the input; False when the upload is gone. Doing it again changes nothing."""
        if self.input_path.exists():
            return True
        try:
            os.link(content_path, self.input_path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def clear(self) -> None:
        """Remove what a finished batch doesn't need; the ledger stays."""
        self.input_path.unlink(missing_ok=True)
        self.journal_path.unlink(missing_ok=True)
