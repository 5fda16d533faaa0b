"""A local server that answers like the OpenAI Files and Batches API.

from batchor_emulator import EmulatorProcess

with EmulatorProcess() as emulator:
    client = OpenAI(base_url=emulator.base_url, api_key="any")
"""

from batchor_emulator.ledger import LedgerEntry, read_ledger
from batchor_emulator.process import EmulatorProcess, EmulatorStartError

__all__ = ["EmulatorProcess", "EmulatorStartError", "LedgerEntry", "read_ledger"]
