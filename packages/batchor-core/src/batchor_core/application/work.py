"""Work: drive all open runs of a storage, until asked to stop."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Any

from batchor_core.application.context import Services, logger
from batchor_core.application.handle import Run, TickReport
from batchor_core.errors import BatchorError, StorageError, StorageUnavailableError

MAX_RUNS = 1_000
"""So many runs are driven at once, the oldest first; more wait for one to finish."""

_LONGEST_PAUSE_S = 2.0
"""So often a worker looks for new runs, and for what operators and other workers have changed."""
_SHORTEST_PAUSE_S = 0.02
_LONGEST_SLEEP_S = 0.5
"""So soon a sleeping worker notices that it is to stop."""
_FIRST_REST_S = 1.0
_LONGEST_REST_S = 60.0
"""The waits after a failure, each twice the one before."""


@dataclass(frozen=True, slots=True)
class WorkReport:
    """How a worker stands after a round."""

    owner: str
    """Its name in leases."""
    open_runs: int
    progress_at: datetime | None
    """When it last took a step; None: not yet."""
    troubles: Mapping[str, str]
    """What stands in the way of runs that it cannot drive now, by run id."""
    storage_trouble: str | None = None
    """Why the storage cannot be reached now."""


@dataclass(slots=True)
class _Driven:
    """A run that this worker drives."""

    run: Run[Any] | None = None
    """None until it is connected, and again after a failure."""
    due_at_s: float = 0.0
    """On the monotonic clock."""
    failures: int = 0
    trouble: str | None = None
    is_idle: bool = False
    """There is nothing to do for it before somebody else changes something."""


class Worker:
    """Takes one run after the other a step further; the batches of a run's step go side by side.

    Nothing is kept here that a crash could lose: whatever dies, another worker goes on when its leases have expired.
    """

    def __init__(
        self,
        services: Services,
        handle: Callable[[str], Run[Any]],
        *,
        run_ids: Collection[str],
        on_round: Callable[[WorkReport], None],
    ) -> None:
        self._services = services
        self._handle = handle
        self._only = sorted(set(run_ids))
        self._on_round = on_round
        self._driven: dict[str, _Driven] = {}
        self._next_look_s = 0.0
        """On the monotonic clock: a busy worker need not ask for new runs at each step."""
        self._progress_at: datetime | None = None
        self._storage_trouble: str | None = None
        self._storage_failures = 0

    def work(self, *, stop: Event, until_idle: bool) -> WorkReport:
        """Drive runs until *stop* is set, or nothing is left to do."""
        while not stop.is_set():
            was_idle = self._is_idle()
            pause_s = self._round_or_rest(stop)
            self._on_round(self._report())
            if until_idle and self._is_idle():
                if was_idle:  # so this round has looked for new runs, and found none
                    break
                pause_s = 0.0
            self._pause(pause_s, stop)
        return self._report()

    def _is_idle(self) -> bool:
        return self._storage_trouble is None and all(each.is_idle for each in self._driven.values())

    def _pause(self, seconds: float, stop: Event) -> None:
        clock = self._services.clock
        until_s = clock.monotonic() + seconds
        while not stop.is_set() and (left_s := until_s - clock.monotonic()) > 0:
            clock.sleep(min(left_s, _LONGEST_SLEEP_S))

    def _round_or_rest(self, stop: Event) -> float:
        """A round; while the storage cannot be reached, none. How long to pause then, in seconds."""
        try:
            pause_s = self._round(stop)
        except StorageUnavailableError as error:
            self._storage_failures += 1
            self._storage_trouble = str(error)
            rest_s = _rest_s(self._storage_failures)
            logger.warning("the storage is unavailable, trying again in %.0f s: %s", rest_s, error)
            return rest_s
        self._storage_failures, self._storage_trouble = 0, None
        return pause_s

    def _round(self, stop: Event) -> float:
        clock = self._services.clock
        if self._is_idle() or clock.monotonic() >= self._next_look_s:
            self._look_for_runs()
            self._next_look_s = clock.monotonic() + _LONGEST_PAUSE_S
        for run_id, driven in self._driven.items():
            if stop.is_set():
                return 0.0
            if driven.due_at_s <= clock.monotonic():
                self._drive(run_id, driven)
        next_s = min((each.due_at_s for each in self._driven.values()), default=clock.monotonic() + _LONGEST_PAUSE_S)
        return min(max(next_s - clock.monotonic(), 0.0), _LONGEST_PAUSE_S)

    def _look_for_runs(self) -> None:
        with self._services.store.reading() as uow:
            if self._only:
                unfinished = [run_id for run_id in self._only if not uow.runs.get(run_id).is_finished]
            else:
                unfinished = list(uow.runs.unfinished(limit=MAX_RUNS))
        self._driven = {run_id: self._driven.get(run_id) or _Driven() for run_id in unfinished}

    def _drive(self, run_id: str, driven: _Driven) -> None:
        try:
            driven.run = driven.run or self._handle(run_id)
            report = driven.run.tick()
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001  one run's fault, whatever it is, must not stop the others
            self._set_aside(run_id, driven, error)
        else:
            self._note(driven, report)

    def _note(self, driven: _Driven, report: TickReport) -> None:
        now_s = self._services.clock.monotonic()
        driven.failures, driven.trouble = 0, None
        driven.is_idle = not report.made_progress and report.next_due_at is None
        driven.due_at_s = now_s if report.made_progress else now_s + self._pause_s(report.next_due_at)
        if report.made_progress:
            self._progress_at = self._services.now()

    def _set_aside(self, run_id: str, driven: _Driven, error: Exception) -> None:
        """Leave the run to other workers for a while: it may be this process that lacks a key, a model or a file."""
        driven.run = None
        driven.failures += 1
        driven.is_idle = True
        rest_s = _rest_s(driven.failures)
        driven.due_at_s = self._services.clock.monotonic() + rest_s
        # Told once: a run that nobody can drive would fill the log.
        if driven.trouble != str(error):
            unforeseen = None if isinstance(error, BatchorError) else error
            logger.error("run %s cannot be driven here: %s", run_id, error, exc_info=unforeseen)
        driven.trouble = str(error)

    def _pause_s(self, next_due_at: datetime | None) -> float:
        if next_due_at is None:
            return _LONGEST_PAUSE_S
        seconds = (next_due_at - self._services.now()).total_seconds()
        return min(max(seconds, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S)

    def _report(self) -> WorkReport:
        troubles = {run_id: each.trouble for run_id, each in self._driven.items() if each.trouble is not None}
        return WorkReport(self._services.owner, len(self._driven), self._progress_at, troubles, self._storage_trouble)


def _rest_s(failures: int) -> float:
    return min(_FIRST_REST_S * 2.0 ** min(failures - 1, 10), _LONGEST_REST_S)
