"""The exact state of a repository into a container (SPEC JF-STA)."""
