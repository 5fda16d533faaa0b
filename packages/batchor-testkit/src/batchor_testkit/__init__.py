"""Contract tests for adapters of batchor: one pytest class per port."""
