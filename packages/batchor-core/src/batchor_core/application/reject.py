"""Reject: results of items that are never sent."""

from collections.abc import Sequence

from batchor_core.domain.output_line import ResponseMetadata
from batchor_core.domain.results import ItemFailure, ResultRow

_NO_RESPONSE = ResponseMetadata().to_json()


def rejections(failures: Sequence[tuple[int, ItemFailure]], *, after: int) -> list[ResultRow]:
    """Their results, in sequence behind *after*; indexes ascending."""
    return [
        ResultRow(
            item_index=index,
            sequence=sequence,
            attempt_count=0,
            batch_id=None,
            raw_artifact_id=None,
            raw_offset=0,
            raw_length=0,
            output_text=None,
            response_metadata=_NO_RESPONSE,
            failure=failure.to_json(),
        )
        for sequence, (index, failure) in enumerate(failures, start=after + 1)
    ]
