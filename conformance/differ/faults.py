"""Changes that break a container, one each; what they leave as it was is mended, so that the fault is reached."""

from __future__ import annotations

from random import Random
from typing import Any

from conformance.differ import graph
from conformance.differ.model import Map, Model
from conformance.differ.values import a_path, a_value
from conformance.generate.gitobjects import COMMIT, TREE
from conformance.generate.wire import Value

BAD_NAMES = (
    b"", b".", b"..", b".git", b".GIT", b".git ", b".git.", b"git~1", b"GIT~1", b".g\xe2\x80\x8cit", b".git:x",
    b"a\\..", b"a\\.git",
    b"..\\", b"\\", b"a\\b", b"x" * 256, b"\xef\xbb\xbf.git", b"git~2", b".gitx", b".git\\x", b".Git:", b". ", b"...",
    b".\xe2\x80\xaegit ",
)  # fmt: skip
ODD_MODES = (
    b"100644",
    b"100664",
    b"0100644",
    b"40755",
    b"040000",
    b"120777",
    b"160755",
    b"0",
    b"7777777",
    b"100000",
    b"10644",
    b"8",
    b"",
    b"1000000000",
)
INTEGERS = (0, 1, -1, 2, 127, 2**31, 2**32, 2**53, 2**64 - 1, -(2**63), True, None, "1", 0o100644, 0o40000)


def nodes(value: Value, found: list[tuple[Any, Any]] | None = None) -> list[tuple[Any, Any]]:
    """Every place in a value: the map or array, and the key or number."""
    found = [] if found is None else found
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        found.append((value, key))
        nodes(item, found)
    return found


def _place(random: Random, model: Model) -> tuple[Any, Any]:
    places = nodes(model.manifest)
    if random.random() < 0.6:  # the state has few of the many
        places = nodes(model.state) or places
    return random.choice(places)


def _perturbed(random: Random, value: Value) -> Value:
    """Something near a value."""
    if isinstance(value, bool) or value is None or random.random() < 0.15:
        return a_value(random, 1)
    if isinstance(value, int):
        return random.choice((*INTEGERS, value + 1, value - 1))
    if isinstance(value, str):
        return random.choice(
            (value + "x", value[:-1], value.upper(), "", value.encode(), "\ud800" * 0 + "é" * 64, "x" * 65)
        )
    if isinstance(value, bytes):
        if len(value) in (20, 32) and random.random() < 0.5:
            return random.choice((value[:-1], value + b"\0", bytes([value[0] ^ 1]) + value[1:], None, value.hex()))
        return random.choice(
            (
                value + b"/", b"/" + value, value + b"/" + random.choice(BAD_NAMES), random.choice(BAD_NAMES),
                value + b"\0",
                random.choice(BAD_NAMES) + b"/" + value, b"a/" * 255 + b"b", b"a/" * 256 + b"b",
                b"x" * 255 + b"/y" * 1921, b"", value[:-1],
                value + b".lock", value + b"/", b"refs/" + value, value + b"@{", value + b" ", value + b"..",
                b"y/" * 2048 + b"z",
            )
        )  # fmt: skip
    if isinstance(value, list):
        return random.choice((value[::-1], value + value[:1], value[1:], [*value, a_value(random, 0)], {}, None))
    return random.choice(([], None, {}, {**value, "more": None}, dict(list(value.items())[1:])))


def value(random: Random, model: Model) -> None:
    """Any value of the manifest."""
    holder, key = _place(random, model)
    holder[key] = _perturbed(random, holder[key])


def key(random: Random, model: Model) -> None:
    """A key of a map: gone, one more, or of another name."""
    maps = [holder[name] for holder, name in nodes(model.manifest) if isinstance(holder[name], dict)]
    chosen = random.choice([*maps, model.manifest])
    if not chosen or random.random() < 0.3:
        chosen[random.choice(("more", "", "zz", "requires"))] = a_value(random, 1)
        return
    name = random.choice(sorted(chosen))
    item = chosen.pop(name)
    if random.random() < 0.4:
        chosen[name + random.choice(("s", " ", "\0"))] = item


def summary(random: Random, model: Model) -> None:
    """A summary that says otherwise."""
    found = model.manifest["summary"]
    name = random.choice(sorted(found))
    item = found[name]
    if isinstance(item, int):
        found[name] = item + random.choice((-1, 1, 2**40))
    elif isinstance(item, list):
        change = random.choice(("more", "less", "letter"))
        entry: Value = (
            a_path(random) if name in ("conflicted", "untracked") else [random.choice("ADMTX"), a_path(random)]
        )
        if change == "more" or not item:
            graph.put(item, entry, lambda it: it if isinstance(it, bytes) else it[1])
        elif change == "less":
            item.pop(random.randrange(len(item)))
        elif isinstance(item[0], list):
            item[0][0] = random.choice("ADMT")
    else:
        found[name] = random.choice((None, b"", (item or b"") + b"x"))


def commits(random: Random, model: Model) -> None:
    """What the manifest says of the history."""
    found = model.manifest["history"]
    oids = [*model.objects(), graph.missing_oid(random, model)]
    what = random.choice(("commits", "missing", "prerequisites", "shallow", "less"))
    if what == "commits":
        found["commits"] += random.choice((1, -1, 2**33))
    elif what == "less":
        found["shallow"] = found["shallow"][1:]
    else:
        graph.put(found[what], random.choice(oids))


def contradiction(random: Random, model: Model) -> None:
    """A list of the state that does not go with its trees, or with another list."""
    _, part = random.choice(graph.states(model))
    index, work = part["index"], part["worktree"]
    staged = graph.paths(random, model, index["tree"]) if index else []
    files = graph.paths(random, model, work["tree"]) if work else []
    there = [*staged, *files, a_path(random)]
    path = random.choice(there)
    path = random.choice((path, path + b"/below", path.rpartition(b"/")[0] or path))
    lists = [(index, name) for name in ("assume_unchanged", "skip_worktree")] if index else []
    lists += [(work, name) for name in ("converted", "empty_directories", "filtered")] if work else []
    pairs: list[tuple[Map, str, Value]] = [(holder, name, path) for holder, name in lists]
    entry = {
        "path": path + random.choice((b"", b"/")),
        "reason": random.choice(("size", "name")),
        "sha256": None,
        "size": None,
    }
    pairs += [(holder, "omitted", entry) for holder in (index, work) if holder]
    if index:
        pairs.append((index, "intent_to_add", [path, 0o100644]))
        pairs.append((index, "conflicts", [path, None, [0o100644, graph.blob_or_new(random, model)], None]))
    inner = {**part, "roots": [], "submodules": []}
    if random.random() < 0.5:
        inner = {**inner, "head": {"commit": None, "ref": b"refs/heads/x"}, "operation": None}
    pairs.append((part, "submodules", {"path": path, "state": inner}))
    pairs.append((model.state, "roots", {"name": path.split(b"/")[0], "state": inner}))
    holder, name, item = random.choice(pairs)
    graph.put(holder[name], item, path_of)
    if random.random() < 0.8:
        model.derive()


def path_of(item: Value) -> bytes:
    """The path that an item of a list is sorted by."""
    found: Value = item
    if isinstance(item, list):
        found = item[0]
    elif isinstance(item, dict):
        found = item.get("path", item.get("name"))
    return found if isinstance(found, bytes) else b""


def tree(random: Random, model: Model) -> None:
    """An entry of a tree that may not be, or not in a strict one; ids and summary follow."""
    oid, entries = graph.pick_tree(random, model, strict=random.random() < 0.7)
    if not entries:
        entries = [(b"100644", b"a", graph.blob_or_new(random, model))]
    at = random.randrange(len(entries))
    mode, name, inner = entries[at]
    what = random.randrange(9)
    ordered = True
    if what == 0:
        name = random.choice(BAD_NAMES)
    elif what == 1:
        mode = random.choice(ODD_MODES)
    elif what == 2:
        inner = random.choice((*model.objects(), graph.missing_oid(random, model)))
    elif what == 3:
        entries.append((random.choice((mode, b"100755", b"160000")), name, inner))
        ordered = random.random() < 0.5
    elif what == 4:
        entries, ordered = entries[::-1], False
    elif what == 5:
        entries.append((b"40000", b"empty", graph.add(model, TREE, b"")))
    elif what == 6:
        mode, inner = b"40000", random.choice([*model.objects()])
    elif what == 7:
        entries.append((b"100644", name + b"/x", inner))
    if what not in (3, 4):
        entries[at] = mode, name, inner
    content = graph.tree_content(entries, order=ordered)
    if what == 8:
        content = random.choice(
            (
                content[:-1],
                content + b"1",
                content.replace(b"\0", b"", 1),
                content.replace(b" ", b"  ", 1),
                content + b"\0" * 9,
            )
        )
    graph.rewrite(model, oid, content)
    if random.random() < 0.8:
        graph.prune(model)
    if random.random() < 0.8:
        model.derive()


def commit(random: Random, model: Model) -> None:
    """A commit whose lines are not as they have to be."""
    oid, content = graph.pick(random, model, COMMIT)
    first, rest = content.split(b"\n", 1)
    lines = (
        first.upper() + b"\n" + rest, rest, b" " + content, first[:-1] + b"\n" + rest, first + b"0\n" + rest, first,
        b"",
        first + b"\nparent \n" + rest, first + b"\nparent " + first[5:] + b"\n" + rest,
        first + b"\nparent " + first[5:],
        first + b"\n" + rest.replace(b"author", b"parent x", 1), first + b"\nparent\n" + rest, first + b"\r\n" + rest,
        first + b"\nparent " + first[5:].upper() + b"\n" + rest, first + b"\n" + first + b"\n" + rest,
    )  # fmt: skip
    graph.rewrite(model, oid, random.choice(lines))
    if random.random() < 0.8:
        model.derive()


def objects(random: Random, model: Model) -> None:
    """An object that is gone, twice, not needed, in another kind of block, or of another kind."""
    found = model.objects()
    what = random.randrange(5)
    if what == 0:
        gone = random.choice(sorted(found))
        model.put_objects({oid: item for oid, item in found.items() if oid != gone})
        if random.random() < 0.3:
            graph.put(model.manifest["history"]["missing"], gone)
    elif what == 1:
        piece = random.choice(model.pieces)
        piece.records.append(random.choice(piece.records))
    elif what == 2:
        graph.add(model, random.choice((1, 2, 3)), random.randbytes(random.randrange(4)))
    elif what == 3:
        for piece in model.pieces:
            piece.kind, piece.prefix = random.choice(("history", "state", piece.kind)), None
    else:
        graph.add(model, TREE, graph.tree_content([(b"100644", b"alone", graph.blob_or_new(random, model))]))
    if random.random() < 0.7:
        model.derive()


def diff(random: Random, model: Model) -> None:
    """A diff that does not fit."""
    piece = random.choice([it for it in model.pieces if it.raw is None])
    known = list(model.objects().items())
    oid, (kind, content, _) = random.choice(known)
    wrong = random.choice((1, 2, 3))
    size = len(content)
    choices: tuple[Value, ...] = (
        [wrong, oid, [[0, size + 1]]], [wrong, oid, [[size, 1]]], [wrong, oid, [[0, 0]]], [kind, oid, []],
        [kind, oid, [b""]],
        [kind, graph.missing_oid(random, model), [b"x"]], [kind, oid[:-1], [b"x"]], [wrong, oid, [[0, max(1, size)]]],
        [kind, oid, [[-1, 1]]], [kind, oid, [[0, 2**40]]], [kind, oid, [[2**64 - 1, 1]]], [kind, oid, [[0, 2**64 - 1]]],
        [kind, oid, [[0, 1, 2]]], [kind, oid, [["0", 1]]], [kind, oid, b"x"], [kind, oid, [b"x", [True, 1]]],
        [wrong, oid, [b"xyz"]],
    )  # fmt: skip
    at = len(piece.records) if random.random() < 0.7 else random.randrange(len(piece.records) + 1)
    piece.records.insert(at, random.choice(choices))


def chain(random: Random, model: Model) -> None:
    """A chain of diffs that is as long as it may be, or longer; each step is a file, so that all of it is needed."""
    length = random.choice((49, 50, 51, 60))
    oid, entries = graph.pick_tree(random, model)
    base = graph.add(model, 3, b"chain\n")
    made = [base]
    records: list[Value] = []
    for number in range(length):
        content = b"chain\n" + b"x" * (number + 1)
        records.append([3, made[-1], [[0, 6 + number], b"x"]])
        from conformance.differ.model import object_id

        made.append(object_id(3, content, model.format))
    entries += [(b"100644", b"chain%03d" % number, item) for number, item in enumerate(made)]
    graph.rewrite(model, oid, graph.tree_content(entries))
    model.pieces[0].records += records
    model.derive()
    model.pieces[0].records = [
        it for it in model.pieces[0].records if len(it) == 3 or not it[1].startswith(b"chain\nx")
    ]


def record(random: Random, model: Model) -> None:
    """A record of another form."""
    piece = random.choice([it for it in model.pieces if it.raw is None])
    kind, content = 3, b"x"
    choices: tuple[Value, ...] = (
        [], [kind], [kind, content, [b"x"], 1], {"kind": 3}, None, [4, content], [0, content], ["3", content],
        [kind, "x"], [True, content],
        [kind, None], b"x", 7, [-1, content], [kind, [content]], [2**64 - 1, content],
    )  # fmt: skip
    piece.records.insert(random.randrange(len(piece.records) + 1), random.choice(choices))
