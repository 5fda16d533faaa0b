"""What batchor costs a row, beside a pipeline without features that does the same visible work."""
