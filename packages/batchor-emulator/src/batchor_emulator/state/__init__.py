"""What the emulator keeps on disk: files, batches, and the journal of executed requests."""
