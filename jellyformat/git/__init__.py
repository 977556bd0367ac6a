"""Repositories as git makes them, read by our own code: nothing is written, run or trusted."""
