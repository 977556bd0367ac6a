"""Many checkpoints at once: found, looked at by many workers, kept in an index."""
