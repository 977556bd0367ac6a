"""What a model card says of the code in a checkpoint, in Markdown."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePath

from jellyformat.format.info import SnapshotInfo
from jellyformat.format.text import brief, plural

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~$@&-])")


def card(found: SnapshotInfo, file: str) -> str:
    """A section for the model card of a checkpoint: which code made it, and how to get that.

    It names no remote, no user and no path but the file's name. What others wrote is no markup in it.

    Args:
        found: What is in the snapshot.
        file: The checkpoint's path, of which only the name is shown.
    """
    changes = len(found.staged) + len(found.unstaged) + len(found.untracked) + len(found.conflicted)
    rows = [("Commit", f"`{found.commit}`" if found.commit else "none")]
    if found.subject is not None:
        rows.append(("Subject", _plain(found.subject)))
    if found.ref is not None:
        rows.append(("Branch", _plain(found.ref.removeprefix("refs/heads/"))))
    rows.append(
        ("Not committed", plural(changes, "change") + ", which the checkpoint has too" if changes else "nothing")
    )
    rows.append(("Files", f"{found.files}"))
    rows.append(("Captured", found.created))
    rows += [(_plain(name), _plain(str(value))) for name, value in found.labels.items()]
    name = PurePath(file).name
    shown = shlex.quote(name if name.isprintable() else "FILE")
    table = "\n".join(f"| {key} | {value} |" for key, value in rows)
    return f"""\
## Code

This checkpoint carries the code that made it, uncommitted changes included, as a
[jellyformat](https://pypi.org/project/jellyformat/) snapshot. It loads as it would without.

| | |
|---|---|
{table}

```
pip install jellyformat
jelly show {shown}           # what is in it
jelly diff {shown}           # what was not committed
jelly export {shown} code    # the files
```
"""


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(brief(text, 120).split()))
