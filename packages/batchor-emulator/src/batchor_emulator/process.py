"""Runs the emulator as a process of its own, for tests and rehearsals."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from batchor_emulator.control import EmulatorControl, EnqueuedTokens
from batchor_emulator.faults.presets import preset
from batchor_emulator.faults.profile import FaultProfile, read_profile, write_profile
from batchor_emulator.ledger import LedgerEntry, read_ledger

type Faults = FaultProfile | Mapping[str, object] | str
"""A profile, the JSON object of one, or the name of a preset."""

_POLL_S = 0.01
_STOP_TIMEOUT_S = 10.0


class EmulatorStartError(RuntimeError):
    """The emulator ended, or did not listen in time; the message holds what it wrote."""


class EmulatorProcess:
    """A context manager around `python -m batchor_emulator`.

    The process listens on a free loopback port (or on *port*) and keeps its state in *state_dir*,
    or in a temporary folder that goes away with the context. *arguments* are further flags of the
    command. It ends when this process ends, however that happens. *faults* go wrong from the start,
    and after each restart; they can be replaced at any time.

    Raises `FaultProfileError` for *faults* that are no profile.

        with EmulatorProcess() as emulator:
            client = OpenAI(base_url=emulator.base_url, api_key="any")
    """

    def __init__(
        self,
        *,
        state_dir: Path | str | None = None,
        port: int = 0,
        arguments: Sequence[str] = (),
        faults: Faults | None = None,
        ready_timeout_s: float = 30.0,
    ) -> None:
        self.state_dir = Path(tempfile.mkdtemp(prefix="batchor-emulator-") if state_dir is None else state_dir)
        self._remove_own_dir: Callable[[], object] = _nothing
        if state_dir is None:
            self._remove_own_dir = weakref.finalize(self, shutil.rmtree, self.state_dir, ignore_errors=True)
        self.port = port
        self._arguments = tuple(arguments)
        self._faults = _profile(faults)
        self._ready_timeout_s = ready_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._earlier_log = ""

    @property
    def url(self) -> str:
        """The server's root, for `/health` and `/emulator/…`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as `base_url`."""
        return f"{self.url}/v1"

    @property
    def pid(self) -> int:
        """The process id. Raises `RuntimeError` when it does not run."""
        if self._process is None:
            raise RuntimeError("the emulator does not run; call start()")
        return self._process.pid

    def start(self) -> Self:
        """Start it and wait until it listens. Raises `EmulatorStartError`."""
        if self._process is not None:
            raise RuntimeError("the emulator runs already")
        with tempfile.TemporaryDirectory(prefix="batchor-emulator-") as folder:
            ready_file = Path(folder) / "ready.json"
            self._process = self._spawn(ready_file)
            try:
                self.port = self._wait_until_ready(self._process, ready_file)
            except BaseException:
                self.kill()
                raise
        return self

    def stop(self) -> None:
        """End it in good order; nothing happens when it does not run."""
        if self._process is not None:
            self._process.terminate()
            self._reap()

    def kill(self) -> None:
        """SIGKILL it; nothing happens when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def restart(self) -> Self:
        """Stop it if it runs, and start it again on the same port and state."""
        self.stop()
        return self.start()

    def log_text(self) -> str:
        """What it wrote to standard error since this object was made: warnings and tracebacks."""
        if self._log is None:
            return self._earlier_log
        descriptor = self._log.fileno()
        # Not read(): the emulator writes at the offset that it shares with this descriptor.
        written = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        return self._earlier_log + written.decode("utf-8", "replace")

    def ledger(self) -> Iterator[LedgerEntry]:
        """Every executed request, from the disk; works whether it runs or not."""
        return read_ledger(self.state_dir)

    def set_faults(self, faults: Faults) -> None:
        """Replace what goes wrong, now and after restarts; counts of faults and of batches begin anew.

        Batches that exist keep their fate. Raises `FaultProfileError`.
        """
        self._faults = _profile(faults)
        if self._process is not None:
            self._control.set_faults(write_profile(self._faults))

    def clear_faults(self) -> None:
        """From now on nothing goes wrong, but for batches that have their fate."""
        self.set_faults(FaultProfile())

    def struck(self) -> dict[str, int]:
        """How often each fault of calls and batches has struck: `{"calls[0]": 2, "batches[1]": 1}`."""
        return self._control.struck()

    def calls(self) -> dict[str, int]:
        """How often each route was called since the start: `{"POST /v1/batches": 3}`."""
        return self._control.calls()

    def tokens(self) -> EnqueuedTokens:
        """The prompt tokens that are enqueued, and the most that ever were since the start."""
        return self._control.tokens()

    def add_foreign_batches(self, count: int, *, metadata: Mapping[str, str] | None = None) -> list[str]:
        """Have *count* completed batches of other teams; returns their ids."""
        return self._control.add_foreign_batches(count, metadata)

    @property
    def _control(self) -> EmulatorControl:
        return EmulatorControl(self.port)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        self._remove_own_dir()

    def _spawn(self, ready_file: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "batchor_emulator", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--state-dir", str(self.state_dir), "--ready-file", str(ready_file), "--exit-with-stdin"]
        if self._faults != FaultProfile():
            profile_file = ready_file.with_name("faults.json")
            profile_file.write_bytes(write_profile(self._faults))
            command += ["--faults", str(profile_file)]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the process has ended)
        # The pipe on stdin is never written to: that it closes tells the emulator that we are gone.
        return subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [*command, *self._arguments], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._log
        )

    def _wait_until_ready(self, process: subprocess.Popen[bytes], ready_file: Path) -> int:
        deadline = time.monotonic() + self._ready_timeout_s
        while not ready_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise EmulatorStartError(
                    f"the emulator did not start (exit code {process.returncode}): {self.log_text().strip()}"
                )
            time.sleep(_POLL_S)
        url: str = json.loads(ready_file.read_bytes())["url"]
        return int(url.rpartition(":")[2])

    def _reap(self) -> None:
        process = self._process
        if process is None:
            return
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()
        self._earlier_log = self.log_text()
        if self._log is not None:
            self._log.close()
        self._log = None
        self._process = None


def _profile(faults: Faults | None) -> FaultProfile:
    match faults:
        case None:
            return FaultProfile()
        case FaultProfile():
            return faults
        case str():
            return preset(faults)
        case _:
            return read_profile(faults, name="faults=")


def _nothing() -> None:
    """There is no folder to remove."""
