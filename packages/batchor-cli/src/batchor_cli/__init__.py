"""The batchor command."""
