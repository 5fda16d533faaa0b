"""Retain: what is kept of a batch once its results are stored, here and at the provider."""

from dataclasses import replace

from batchor_core.application.context import RunContext, logger
from batchor_core.domain.batch import BatchRecord
from batchor_core.errors import ProviderError
from batchor_core.failpoints import around
from batchor_core.ports.provider import BatchClient


def tidy_up(ctx: RunContext, batch: BatchRecord, client: BatchClient) -> None:
    """Do what the artifact policy says after a batch was collected. A crash in between leaves files, never less than there should be."""
    policy = ctx.job.artifact_policy
    if not policy.persist_raw_output_artifacts:
        _drop_raw_files(ctx, batch)
    if policy.delete_provider_files:
        _delete_provider_files(batch, client)


def _drop_raw_files(ctx: RunContext, batch: BatchRecord) -> None:
    ids = [artifact_id for artifact_id in (batch.output_artifact_id, batch.error_artifact_id) if artifact_id]
    if not ids:
        return
    with around("retain.record_drop"), ctx.store.transaction() as uow:
        uow.runs.lock(ctx.run_id)
        records = uow.artifacts.get(ids)
        for record in records:
            uow.artifacts.save(replace(record, state="pruned"))
    for record in records:
        with around("retain.delete_raw"):
            ctx.artifacts.delete(record.name)


def _delete_provider_files(batch: BatchRecord, client: BatchClient) -> None:
    for file_id in (batch.input_file_id, batch.output_file_id, batch.error_file_id):
        if file_id is None:
            continue
        try:
            with around("retain.delete_remote"):
                client.delete(file_id)
        except ProviderError as error:
            # It is a courtesy: the file expires there by itself.
            logger.warning("file %s of batch %s was not deleted: %s", file_id, batch.provider_batch_id, error)
