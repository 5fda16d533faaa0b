"""A worker's life: it works in a thread, while this one listens for signals and says that it is alive."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event, Thread

from batchor import BatchRunner, WorkReport
from batchor_cli.signals import Stopped
from batchor_core.domain.job import ProviderConfig

_LOOK_S = 1.0

logger = logging.getLogger("batchor.worker")


@dataclass
class WorkerLoop:
    """Drives runs until none is left, or a signal comes."""

    runner: BatchRunner
    run_ids: Sequence[str]
    until_idle: bool
    provider_config: Callable[[str], ProviderConfig | None]
    tell_health: Callable[[WorkReport | None], None]
    """Called about once a second with the last report; None before the first."""
    report: WorkReport | None = None
    _stop: Event = field(default_factory=Event)
    _ended: Event = field(default_factory=Event)
    _error: BaseException | None = None

    def run(self, *, grace_s: float) -> WorkReport | None:
        """Work, and return the last report; a signal lets the steps at hand end within *grace_s* seconds, and hands back what is then not done.

        Never returns in that last case: the process ends with exit code 0, for its steps cannot be interrupted.
        """
        thread = Thread(target=self._work, name="batchor-worker", daemon=True)
        thread.start()
        try:
            # Not `join`: interrupted by a signal, it takes a living thread for ended.
            while not self._ended.wait(_LOOK_S):
                self.tell_health(self.report)
        except Stopped:
            logger.info("asked to stop; the steps at hand have %g s", grace_s)
            self._stop.set()
            if not self._ended.wait(grace_s):
                self._leave()
        if self._error is not None:
            raise self._error
        return self.report

    def _work(self) -> None:
        try:
            self.runner.work(
                run_ids=self.run_ids,
                until_idle=self.until_idle,
                stop=self._stop,
                provider_config=self.provider_config,
                on_round=self._keep,
            )
        except BaseException as error:  # noqa: BLE001  raised again by the thread that waits for this one
            self._error = error
        finally:
            self._ended.set()

    def _keep(self, report: WorkReport) -> None:
        self.report = report

    def _leave(self) -> None:
        logger.info("%d batches handed back in the middle of a step", self.runner.release())
        sys.stdout.flush()
        sys.stderr.flush()
        # The interpreter would wait for the threads of uploads and downloads, however long they take.
        os._exit(0)
