"""Request and answer files of batchor, on a local file system."""
