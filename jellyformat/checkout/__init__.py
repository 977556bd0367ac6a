"""A repository put into a snapshot's state, and any number of steps back and forth (SPEC JF-PTH)."""
