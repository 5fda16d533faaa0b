from batchor_core.adapters.iterable_source import (
    IterableItemSource as IterableItemSource,
    as_checkpointed as as_checkpointed,
)
