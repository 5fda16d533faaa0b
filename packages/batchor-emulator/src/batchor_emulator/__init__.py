"""A local server that answers like the OpenAI Files and Batches API.

from batchor_emulator import EmulatorProcess

with EmulatorProcess() as emulator:
    client = OpenAI(base_url=emulator.base_url, api_key="any")
"""

from batchor_emulator.control import EmulatorControlError, EnqueuedTokens
from batchor_emulator.faults.batch_fault import BatchFault, Cancel, Expire, Fail, Stick
from batchor_emulator.faults.call_fault import Delay, Drop, Slow, Status, Truncate
from batchor_emulator.faults.presets import PRESETS
from batchor_emulator.faults.profile import FaultProfile, FaultProfileError
from batchor_emulator.faults.row_fault import RowFault, RowFaultKind
from batchor_emulator.ledger import LedgerEntry, read_ledger
from batchor_emulator.process import EmulatorProcess, EmulatorStartError

__all__ = [
    "PRESETS",
    "BatchFault",
    "Cancel",
    "Delay",
    "Drop",
    "EmulatorControlError",
    "EmulatorProcess",
    "EmulatorStartError",
    "EnqueuedTokens",
    "Expire",
    "Fail",
    "FaultProfile",
    "FaultProfileError",
    "LedgerEntry",
    "RowFault",
    "RowFaultKind",
    "Slow",
    "Status",
    "Stick",
    "Truncate",
    "read_ledger",
]
