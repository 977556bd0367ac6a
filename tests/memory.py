"""How much memory a process has had at once.

Not `getrusage`: its `ru_maxrss` begins, on Linux, with what the process had that started this one.
"""

from __future__ import annotations


def peak() -> int:
    """The most memory that this process has had at once, in kilobytes."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
