"""Changes after which a container is as good as before: what follows from the state is derived again."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from conformance.differ import graph
from conformance.differ.graph import Unfit, put
from conformance.differ.model import Map, Model, Piece
from conformance.differ.values import TEXTS, a_name, a_path, a_value
from conformance.generate.draft import index, nested, omitted, root, state, worktree
from conformance.generate.gitobjects import BLOB, COMMIT, GITLINK, TREE
from conformance.generate.wire import Value, checksum_of, pack

Change = Callable[[Random, Model], None]

REFS = (
    b"refs/heads/main",
    b"refs/heads/a/b",
    b"refs/x",
    b"refs/heads/\xff",
    b"refs/heads/-",
    b"refs/heads/a@b",
    b"refs/heads/x.y",
)
REASONS = (
    "size",
    "secret",
    "filter",
    "weights",
    "environment",
    "cache",
    "tracker",
    "time",
    "missing",
    "unreadable",
    "special",
    "changing",
    "excluded",
    "com.example.x",
)


def provenance(random: Random, model: Model) -> None:
    """When, with what, from where."""
    found = model.manifest["provenance"]
    found["time"] = random.choice((0, 1, 2**32, 2**53 + 1, 2**64 - 1))
    found["zone"] = random.choice((-1440, -1, 0, 1, 1440))
    found["tool"] = random.choice(TEXTS)
    found["argv"] = [random.randbytes(2) for _ in range(random.randrange(3))]
    found["remotes"] = [[b"n%d" % n, random.randbytes(3)] for n in range(random.randrange(3))]
    if random.random() < 0.5:
        found["k" + random.choice(TEXTS)] = a_value(random)


def environment(random: Random, model: Model) -> None:
    """What is informative."""
    model.manifest["environment"] = {"é" * n + "k": a_value(random) for n in range(random.randrange(4))}


def facts(random: Random, model: Model) -> None:
    """Facts of a state, which are part of the snapshot id."""
    _, part = random.choice(graph.states(model))
    part["facts"][random.choice(("com.example.fact", "x", ""))] = a_value(random)


def extensions(random: Random, model: Model) -> None:
    """Extensions, those that are registered too."""
    found = model.manifest["extensions"]
    thin = bool(model.manifest["history"]["prerequisites"])
    signature = {"format": random.choice(("sshsig", "x" * 64)), "signature": random.randbytes(random.choice((1, 99)))}
    edited = sorted({a_path(random) for _ in range(3)})
    choices: Map = {
        "com.example.x": a_value(random),
        "labels": {f"k{n}": random.choice(TEXTS) for n in range(random.randrange(4))},
        "note": random.choice((*TEXTS, "n" * 65_536)),
        "run": {"id": random.randbytes(16), "sequence": 2**64 - 1, "parent": random.choice((None, bytes(32)))},
        "edited": edited,
    }
    if not thin:
        choices["signatures"] = [signature] * random.choice((1, 64))
    name = random.choice(sorted(choices))
    found[name] = choices[name]


def ref(random: Random, model: Model) -> None:
    """Another branch, or a detached HEAD."""
    _, part = random.choice(graph.states(model))
    if part["head"]["commit"] is not None and random.random() < 0.3:
        part["head"]["ref"] = None
    elif part["head"]["ref"] is not None or part["index"] is not None:
        part["head"]["ref"] = random.choice(REFS)


def ignored(random: Random, model: Model) -> None:
    """What was left out."""
    put(model.manifest["ignored"], a_path(random) + random.choice((b"", b"/")))


def operation(random: Random, model: Model) -> None:
    """A merge or the like in progress."""
    _, part = random.choice([it for it in graph.states(model) if it[1]["index"]] or [(b"", {})])
    if not part:
        raise Unfit
    kind = random.choice(("merge", "cherry-pick", "revert", "rebase", "am", "bisect"))
    heads = [part["head"]["commit"]] if kind in ("merge", "cherry-pick", "revert") else []
    if None in heads:
        raise Unfit
    part["operation"] = {
        "heads": heads,
        "kind": kind,
        "message": random.choice((None, b"", b"m\n", random.randbytes(9))),
    }


def _above(path: bytes) -> list[bytes]:
    """The directories that a path lies in, with a slash at the end; itself where it ends in one."""
    return [path[: at + 1] for at in range(len(path)) if path[at : at + 1] == b"/"]


def left_out(random: Random, model: Model) -> None:
    """Files or a directory that are not in the container."""
    _, part = random.choice(graph.states(model))
    if part["worktree"] is None:
        raise Unfit
    items = part["worktree"]["omitted"]
    path = a_path(random) + random.choice((b"", b"", b"/"))
    inside = path.endswith(b"/") and any(it["path"].startswith(path) or it["path"] == path[:-1] for it in items)
    below = any(it["path"] in (path + b"/", *_above(path)) for it in items)
    known = [it.split(b"/") for it in graph.paths(random, model, part["worktree"]["tree"])]
    bare = path.rstrip(b"/").split(b"/")
    if inside or below or any(it[: len(bare)] == bare for it in known):
        raise Unfit
    is_directory = path.endswith(b"/")
    digest = None if is_directory else random.choice((None, bytes(32)))
    put(
        items, omitted(path, random.choice(REASONS), random.choice((None, 0, 2**64 - 1)), digest), lambda it: it["path"]
    )
    model.derive()


def index_left_out(random: Random, model: Model) -> None:
    """A staged content that is not in the container."""
    _, part = random.choice(graph.states(model))
    if part["index"] is None:
        raise Unfit
    path = b"nowhere/%d" % random.randrange(9)
    put(part["index"]["omitted"], omitted(path, random.choice(REASONS)), lambda it: it["path"])


def flags(random: Random, model: Model) -> None:
    """Flags of entries of the index."""
    _, part = random.choice(graph.states(model))
    known = graph.paths(random, model, part["index"]["tree"]) if part["index"] else []
    if not known:
        raise Unfit
    put(part["index"][random.choice(("assume_unchanged", "skip_worktree"))], random.choice(known))
    model.derive()


def intent(random: Random, model: Model) -> None:
    """A path that `git add -N` has named, or one with a conflict."""
    _, part = random.choice(graph.states(model))
    if part["index"] is None:
        raise Unfit
    path = a_path(random)
    taken = [*graph.paths(random, model, part["index"]["tree"]), *(it[0] for it in part["index"]["conflicts"])]
    taken += [it[0] for it in part["index"]["intent_to_add"]] + [it["path"] for it in part["index"]["omitted"]]
    if path in taken:
        raise Unfit
    if random.random() < 0.5:
        mode = random.choice((0o100644, 0o100755, 0o120000, GITLINK))
        put(part["index"]["intent_to_add"], [path, mode], lambda it: it[0])
    else:
        stages: list[Value] = [None, None, None]
        for number in random.sample(range(3), random.randrange(1, 4)):
            link = random.random() < 0.2
            oid = graph.missing_oid(random, model) if link else graph.blob_or_new(random, model)
            stages[number] = [GITLINK if link else 0o100644, oid]
        put(part["index"]["conflicts"], [path, *stages], lambda it: it[0])
    model.derive()


def empty_directory(random: Random, model: Model) -> None:
    """An empty directory of the worktree."""
    _, part = random.choice(graph.states(model))
    if part["worktree"] is None:
        raise Unfit
    path = b"empty/%d" % random.randrange(9)
    if any(b"empty" in it.split(b"/")[:1] for it in graph.paths(random, model, part["worktree"]["tree"])):
        raise Unfit
    if any(it["path"].startswith(b"empty") for it in [*part["submodules"], *part["worktree"]["omitted"]]):
        raise Unfit
    put(part["worktree"]["empty_directories"], path)


def tree(random: Random, model: Model) -> None:
    """A file renamed, added, removed, of another mode or content; all ids and the summary follow."""
    oid, entries = graph.pick_tree(random, model, strict=random.random() < 0.8)
    what = random.randrange(5)
    files = [it for it in entries if it[0] in (b"100644", b"100755", b"120000")]
    if what == 0 or not files:
        entries = [
            *entries,
            (random.choice((b"100644", b"100755", b"120000")), a_name(random), graph.blob_or_new(random, model)),
        ]
    elif what == 1 and len(files) > 1:
        entries.remove(random.choice(files))
    else:
        chosen = random.choice(files)
        mode, name, inner = chosen
        if what == 2:
            name = a_name(random)
        elif what == 3:
            mode = random.choice((b"100644", b"100755", b"120000"))
        else:
            inner = graph.blob_or_new(random, model)
        entries[entries.index(chosen)] = mode, name, inner
    if len({name for _, name, _ in entries}) < len(entries):
        raise Unfit
    graph.rewrite(model, oid, graph.tree_content(entries))
    graph.prune(model)
    model.derive()


def blob(random: Random, model: Model) -> None:
    """Another content."""
    oid, content = graph.pick(random, model, BLOB)
    graph.rewrite(model, oid, content + random.randbytes(random.choice((1, 5, 130, 260))))
    model.derive()


def commit(random: Random, model: Model) -> None:
    """Another message, or a parent that is not here."""
    oid, content = graph.pick(random, model, COMMIT)
    if random.random() < 0.5:
        content += random.choice((b"more\n", b"\xff", b"parent x\n", b"\0"))
    else:
        first, rest = content.split(b"\n", 1)
        content = first + b"\nparent " + graph.missing_oid(random, model).hex().encode() + b"\n" + rest
    graph.rewrite(model, oid, content)
    model.derive()


def submodule(random: Random, model: Model) -> None:
    """A repository inside, or a further root, with nothing in it yet."""
    _, part = random.choice(graph.states(model))
    empty = graph.add(model, TREE, b"")
    inner = state(None, index(empty), worktree(empty), object_format=model.format)
    if random.random() < 0.3:
        inner = state(None, None, worktree(empty), ref=None, object_format=model.format)
    name = b"inner%d" % random.randrange(3)
    if random.random() < 0.3:
        put(model.state["roots"], root(name, inner), lambda it: it["name"])
    else:
        put(part["submodules"], nested(name, inner), lambda it: it["path"])
    model.derive()


def link(random: Random, model: Model) -> None:
    """A submodule that is not initialised."""
    oid, entries = graph.pick_tree(random, model)
    name = b"link%d" % random.randrange(9)
    graph.rewrite(model, oid, graph.tree_content([*entries, (b"160000", name, graph.missing_oid(random, model))]))
    graph.prune(model)
    model.derive()


def missing(random: Random, model: Model) -> None:
    """An object that the repository did not have."""
    history = model.manifest["history"]
    if random.random() < 0.4:
        put(history["missing"], graph.missing_oid(random, model))
        return
    oid, _ = graph.pick(random, model, BLOB)
    model.put_objects({key: item for key, item in model.objects().items() if key != oid})
    put(history["missing"], oid)
    model.derive()


def thin(random: Random, model: Model) -> None:
    """A container that builds on a commit that is elsewhere, or is here."""
    if "signatures" in model.manifest["extensions"]:
        raise Unfit
    commits = [oid for oid, (kind, _, _) in model.objects().items() if kind == COMMIT]
    here = commits and random.random() < 0.5
    put(
        model.manifest["history"]["prerequisites"], random.choice(commits) if here else graph.missing_oid(random, model)
    )
    model.derive()


def diffs(random: Random, model: Model) -> None:
    """Objects as diffs against others in front of them."""
    known: list[tuple[int, bytes, bytes, int]] = []
    objects = model.objects()
    for piece in model.pieces:
        if piece.raw is not None:
            continue
        for number, record in enumerate(piece.records):
            if len(record) != 2:
                return
            kind, content = record
            bases = [it for it in known if it[0] == kind and it[3] < 50]
            oid = next(key for key, item in objects.items() if item[:2] == (kind, content))
            depth = 0
            if bases and content and random.random() < 0.6:
                _, base, before, depth = random.choice(bases)
                same = 0
                while same < min(len(before), len(content)) and before[same] == content[same]:
                    same += 1
                ops: list[Value] = [[0, same]] if same else []
                ops += [content[same:]] if content[same:] else []
                piece.records[number] = [kind, base, ops]
                depth += 1
            known.append((kind, oid, content, depth))


def order(random: Random, model: Model) -> None:
    """The records of a block in another order."""
    model.put_objects(model.objects())
    random.shuffle(random.choice(model.pieces).records)


def split(random: Random, model: Model) -> None:
    """One block as two."""
    number = random.randrange(len(model.pieces))
    piece = model.pieces[number]
    if len(piece.records) < 2 or any(it.prefix is not None for it in model.pieces):
        raise Unfit
    at = random.randrange(1, len(piece.records))
    model.pieces[number : number + 1] = [Piece(piece.kind, piece.records[:at]), Piece(piece.kind, piece.records[at:])]


def more_blocks(random: Random, model: Model) -> None:
    """A block of a kind that nobody knows, which may be skipped."""
    data = random.randbytes(random.choice((1, 40)))
    said = {"raw_length": random.choice((1, 2**20)), "records": 1, "object_bytes": random.choice((0, 2**20))}
    model.pieces.append(Piece(random.choice(("x", "é" * 32, "state2")), [], None, False, b"x", data, said))


def history(random: Random, model: Model) -> None:
    """What the state does not need, in a block of its own, behind a prefix or not."""
    if (
        len(model.pieces) != 1
        or model.pieces[0].kind != "state"
        or model.state["head"]["commit"] not in model.objects()
    ):
        raise Unfit
    objects = model.objects()
    head = model.state["head"]["commit"]
    content = objects[head][1]
    first, rest = content.split(b"\n", 1)
    old = graph.add(model, COMMIT, content + b"older\n")
    graph.rewrite(model, head, first + b"\nparent " + old.hex().encode() + b"\n" + rest)
    moved = [it for it in model.pieces[0].records if it == [COMMIT, content + b"older\n"]]
    model.pieces[0].records = [it for it in model.pieces[0].records if it not in moved]
    raw = len(b"".join(map(pack, model.pieces[0].records)))
    model.pieces.append(Piece("history", moved, 0 if raw >= 8 and random.random() < 0.5 else None))
    model.derive()


def frames(random: Random, model: Model) -> None:
    """Frames of another shape."""
    piece = random.choice(model.pieces)
    if piece.packed is not None:
        raise Unfit
    piece.frame = random.choice(
        (
            {"window": 0x68},
            {"window": 0x68, "size": None},
            {"checksum": checksum_of(b"".join(map(pack, piece.records)))},
            {"most": random.choice((1, 100))},
            {"dictionary": bytes(random.choice((1, 2, 4)))},
        )
    )
    if random.random() < 0.3:
        model.frame = {"window": 0x68, "size": random.choice((None, -1)), "most": 1000}


CHANGES: tuple[Change, ...] = (
    provenance, environment, facts, extensions, ref, ignored, operation, left_out, index_left_out, flags, intent,
    empty_directory, tree, tree, blob, commit, submodule, link, missing, thin, diffs, order, split, more_blocks,
    history,
    frames,
)  # fmt: skip
