"""Snapshots that other tools made, read as containers."""
