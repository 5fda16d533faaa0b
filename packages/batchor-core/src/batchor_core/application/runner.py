"""The entry: start a job, or take up a stored run."""

import os
import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from random import Random, SystemRandom
from threading import Event
from types import TracebackType
from typing import Any, Self, cast, overload

from batchor_core.application.connect import Providers, connect_for_job, connect_stored
from batchor_core.application.context import Services
from batchor_core.application.cycle import Cycle
from batchor_core.application.handle import Run, RunAccess, TickReport
from batchor_core.application.iterable_source import as_checkpointed
from batchor_core.application.leasing import release_held
from batchor_core.application.output_model import describe_output
from batchor_core.application.work import MAX_RUNS, Worker, WorkReport
from batchor_core.domain.events import EventType
from batchor_core.domain.job import BatchJob, OutputModel, PayloadT, ProviderConfig, StoredJob
from batchor_core.domain.policies import RecoveryPolicy, SlicePolicy
from batchor_core.domain.results import OutputT, StructuredItemResult, TextItemResult
from batchor_core.domain.run import IngestState, RunRecord, RunSummary
from batchor_core.domain.run_id import check_run_id, new_run_id
from batchor_core.errors import ConfigChangedError, RunExistsError, RunNotFoundError, SourceChangedError
from batchor_core.failpoints import around
from batchor_core.plugins import artifacts_beside, default_clock, default_storage, storage_named
from batchor_core.ports.artifacts import ArtifactStore
from batchor_core.ports.provider import ProviderFactory
from batchor_core.ports.sources import CheckpointedItemSource, SourceIdentity, describe_change
from batchor_core.ports.state import StateStore
from batchor_core.ports.system import Clock, Observer


class BatchRunner:
    """Starts runs, and finds them again.

    *storage* is a `StateStore`, or a registered name (`"memory"`, `"sqlite"`, …); None means SQLite
    where it is installed. *artifact_store* defaults to a folder beside the storage. *observer* is called
    with each `RunEvent` after it is durable. *concurrency* is how many batches are uploaded, polled or
    downloaded at once. A worker that dies is replaced after *lease_ttl_s* seconds. *providers* holds
    provider factories by name, before those that are registered.
    """

    def __init__(
        self,
        storage: StateStore | str | None = None,
        *,
        artifact_store: ArtifactStore | None = None,
        observer: Observer | None = None,
        clock: Clock | None = None,
        concurrency: int = 4,
        lease_ttl_s: float = 30.0,
        slice_policy: SlicePolicy | None = None,
        recovery_policy: RecoveryPolicy | None = None,
        providers: Mapping[str, ProviderFactory] | None = None,
        import_output_models: bool = True,
        rng: Random | None = None,
    ) -> None:
        store = _storage(storage)
        random = rng or SystemRandom()
        self._services = Services(
            store=store,
            artifacts=artifact_store or artifacts_beside(store),
            clock=clock or default_clock(),
            observer=observer,
            rng=random,
            owner=f"{platform.node()[:40] or 'host'}-{os.getpid()}-{random.getrandbits(64):016x}",
            lease_ttl=timedelta(seconds=lease_ttl_s),
            slices=slice_policy or SlicePolicy(),
            recovery=recovery_policy or RecoveryPolicy(),
            concurrency=concurrency,
        )
        self._providers = Providers(given=providers or {})
        self._cycles: list[Cycle] = []
        self._may_import = import_output_models

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back what this process holds of its runs, and close providers and storage; runs stay as they are."""
        while self._cycles:
            self._cycles.pop().close()
        self._providers.close()
        self._services.store.close()

    @overload
    def start(
        self, job: BatchJob[PayloadT, None], *, run_id: str | None = None, detach: bool = False
    ) -> Run[TextItemResult]: ...

    @overload
    def start(
        self, job: BatchJob[PayloadT, OutputT], *, run_id: str | None = None, detach: bool = False
    ) -> Run[StructuredItemResult[OutputT]]: ...

    def start(self, job: BatchJob[PayloadT, Any], *, run_id: str | None = None, detach: bool = False) -> Run[Any]:
        """Read the job's input, send what fills a batch on the way and the rest at the end; then return.

        With *detach*, only read the input: sending is left to workers (`work`, `tick`), and no key is needed here.

        With the *run_id* of a stored run, go on where it stopped, if source and configuration are the
        stored ones: else `SourceChangedError` or `ConfigChangedError`, and nothing is changed. An unusable schema,
        key or id is refused before anything is stored or sent. When the provider refuses the key, the
        run is returned paused.
        """
        chosen_id = check_run_id(run_id) if run_id is not None else self._new_run_id()
        stored = self._describe(job)
        source = as_checkpointed(job.items)
        self._services.artifacts.append  # noqa: B018  raises here, before anything is stored, when there is no place
        provider = self._providers.connect(job.provider_config)
        if not detach:
            provider.client  # noqa: B018  raises here, before anything is stored, when there is no key
        record = self._add_or_take_up(chosen_id, stored, source)
        cycle = connect_for_job(record, job, source=source, services=self._services, provider=provider)
        self._cycles.append(cycle)
        run: Run[Any] = Run(
            chosen_id, self._access(model=job.structured_output, config=job.provider_config), cycle=cycle
        )
        return run.ingest(detach=detach)

    @overload
    def run_and_wait(
        self, job: BatchJob[PayloadT, None], *, run_id: str | None = None, timeout: float | None = None
    ) -> Run[TextItemResult]: ...

    @overload
    def run_and_wait(
        self, job: BatchJob[PayloadT, OutputT], *, run_id: str | None = None, timeout: float | None = None
    ) -> Run[StructuredItemResult[OutputT]]: ...

    def run_and_wait(
        self, job: BatchJob[PayloadT, Any], *, run_id: str | None = None, timeout: float | None = None
    ) -> Run[Any]:
        """`start` and `wait`; *timeout* in seconds counts from the end of ingestion."""
        return self.start(job, run_id=run_id).wait(timeout=timeout)

    @overload
    def get_run(
        self, run_id: str, *, structured_output: None = None, provider_config: ProviderConfig | None = None
    ) -> Run[TextItemResult]: ...

    @overload
    def get_run(
        self, run_id: str, *, structured_output: type[OutputT], provider_config: ProviderConfig | None = None
    ) -> Run[StructuredItemResult[OutputT]]: ...

    def get_run(
        self,
        run_id: str,
        *,
        structured_output: type[Any] | None = None,
        provider_config: ProviderConfig | None = None,
    ) -> Run[Any]:
        """A stored run, in any process, without its job; `RunNotFoundError` when there is none.

        *structured_output* is needed for typed results when the model cannot be imported by its name;
        *provider_config* only to drive the run with a key that is not in the environment.
        """
        check_run_id(run_id)
        with self._services.store.reading() as uow:
            uow.runs.get(run_id)
        return Run(run_id, self._access(model=structured_output, config=provider_config))

    def tick(
        self, run_id: str, *, structured_output: type[Any] | None = None, provider_config: ProviderConfig | None = None
    ) -> TickReport:
        """One bounded, idempotent step of a stored run, for schedulers: see `Run.tick`, and `get_run` for the arguments."""
        run = self.get_run(run_id, structured_output=structured_output, provider_config=provider_config)
        return run.tick()

    def work(
        self,
        *,
        run_ids: Collection[str] = (),
        until_idle: bool = False,
        stop: Event | None = None,
        provider_config: Callable[[str], ProviderConfig | None] | None = None,
        on_round: Callable[[WorkReport], None] | None = None,
    ) -> WorkReport:
        """Drive all unfinished runs of the storage, or those of *run_ids*, beside any number of other workers.

        New runs are noticed within seconds. Returns when *stop* is set and the steps at hand are done, or with
        *until_idle* as soon as there is nothing that this process could do now or later. *provider_config* gives a run's
        configuration where the stored one and the environment do not suffice. *on_round* is told how things stand.

        A run that cannot be driven here (no key, unknown model, missing files) is logged, shown in the report, and tried
        again later; a storage that is unavailable is waited for. `StorageError` when it is damaged, `RunNotFoundError` for
        an unknown id.
        """

        def handle(run_id: str) -> Run[Any]:
            config = None if provider_config is None else provider_config(run_id)
            return self.get_run(run_id, provider_config=config)

        worker = Worker(self._services, handle, run_ids=run_ids, on_round=on_round or _ignore)
        return worker.work(stop=stop or Event(), until_idle=until_idle)

    def release(self) -> int:
        """Hand back the batches that this process holds, for others to go on at once; how many.

        For a process that ends within a step, such as a long upload; whatever the step still does is safe.
        """
        with self._services.store.reading() as uow:
            unfinished = uow.runs.unfinished(limit=MAX_RUNS)
        return sum(release_held(self._services, run_id) for run_id in unfinished)

    def runs(self, *, before: str | None = None, limit: int = 100) -> Sequence[RunSummary]:
        """Stored runs, newest first; *before* is the last run id of the page before."""
        with self._services.store.reading() as uow:
            return [RunSummary.of(run) for run in uow.runs.page(before=before, limit=limit)]

    # -- within -------------------------------------------------------------------------------

    def _new_run_id(self) -> str:
        return new_run_id(self._services.now(), f"{self._services.rng.getrandbits(32):08x}")

    def _describe(self, job: BatchJob[Any, Any]) -> StoredJob:
        factory = self._providers.factory(job.provider_config.provider)
        schema = None
        if job.structured_output is not None:
            schema = describe_output(
                cast("type[OutputModel]", job.structured_output), name=job.schema_name, factory=factory
            )
        return StoredJob(
            provider=job.provider_config.provider,
            provider_config=job.provider_config.to_stored(),
            output_schema=schema,
            chunk_policy=job.chunk_policy,
            retry_policy=job.retry_policy,
            artifact_policy=job.artifact_policy,
            batch_metadata=dict(job.batch_metadata),
            identity=dict(job.identity),
        )

    def _add_or_take_up(self, run_id: str, stored: StoredJob, source: CheckpointedItemSource[Any]) -> RunRecord:
        try:
            return self._look_up_or_add(run_id, stored, source)
        except RunExistsError:
            # Another process has added it between our look and our write.
            return self._look_up_or_add(run_id, stored, source)

    def _look_up_or_add(self, run_id: str, stored: StoredJob, source: CheckpointedItemSource[Any]) -> RunRecord:
        identity = source.identity().to_json()
        with around("runner.add_run"), self._services.store.transaction() as uow:
            try:
                found = uow.runs.get(run_id)
            except RunNotFoundError:
                record = self._new_record(run_id, stored, IngestState(source=identity))
                event = self._services.event(run_id, EventType.RUN_CREATED)
                uow.runs.add(record)
                uow.events.append([event])
            else:
                _check_same_job(found, stored, source)
                return found
        self._services.emit(event)
        return record

    def _new_record(self, run_id: str, stored: StoredJob, ingest: IngestState) -> RunRecord:
        # It names the run's folder: with 48 bits, no two of a million runs have the same.
        tag = f"{self._services.rng.getrandbits(48):012x}"
        return RunRecord(
            run_id=run_id, tag=tag, created_at=self._services.now(), config=stored.to_json(), ingest=ingest
        )

    def _access(self, *, model: type[OutputModel] | None, config: ProviderConfig | None) -> RunAccess:
        def connect(record: RunRecord) -> Cycle:
            return connect_stored(
                record,
                services=self._services,
                providers=self._providers,
                config=config,
                model=model,
                may_import=self._may_import,
            )

        return RunAccess(self._services, connect, model, self._may_import)


def _ignore(_report: WorkReport) -> None: ...


def _storage(storage: StateStore | str | None) -> StateStore:
    if storage is None:
        return default_storage()
    return storage_named(storage) if isinstance(storage, str) else storage


def _check_same_job(found: RunRecord, stored: StoredJob, source: CheckpointedItemSource[Any]) -> None:
    differences = StoredJob.from_json(found.config).differences(stored)
    if differences:
        raise ConfigChangedError(found.run_id, differences=differences)
    before = SourceIdentity.from_json(found.ingest.source)
    if before != source.identity():
        change = describe_change(source, before)
        raise SourceChangedError(found.run_id, stored=f"{before.kind} {before.reference}", change=change)
