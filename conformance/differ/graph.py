"""The objects of a model changed so that everything that names them still does."""

from __future__ import annotations

from random import Random
from typing import Any

from conformance.differ.model import Map, Model, entries_of, object_id
from conformance.generate import derive
from conformance.generate.draft import roots
from conformance.generate.gitobjects import BLOB, COMMIT, TREE, Box
from conformance.generate.wire import Value

Objects = dict[bytes, tuple[int, bytes, int]]
Entry = tuple[bytes, bytes, bytes]


_MOST_REWRITTEN = 300


class Unfit(Exception):
    """A change that this model does not lend itself to."""


def states(model: Model) -> list[tuple[bytes, Map]]:
    """All states with their prefix."""
    return derive.walk(model.state)


def named(value: Value, old: bytes, new: bytes) -> Value:
    """A value in which one id is another."""
    if isinstance(value, dict):
        return {key: named(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [named(item, old, new) for item in value]
    return new if isinstance(value, bytes) and value == old else value


def rewrite(model: Model, oid: bytes, content: bytes) -> None:
    """Give an object another content, and its new id to all that name it: trees, commits, the manifest."""
    objects = model.objects()
    todo, done = [(oid, content)], 0
    while todo:
        old, content = todo.pop()
        done += 1
        if done > _MOST_REWRITTEN:  # it would name itself
            raise Unfit
        if old not in objects:
            continue
        kind, _, where = objects[old]
        new = object_id(kind, content, model.format)
        if new == old:
            continue
        changed: Objects = {}
        for key, item in objects.items():
            if key != old:
                changed.setdefault(key, item)
            elif new not in objects:
                changed[new] = kind, content, where
        objects = changed
        one, two = old.hex().encode(), new.hex().encode()
        for key, (other, data, _) in objects.items():
            if other == TREE and old in data:
                todo.append((key, data.replace(old, new)))
            elif other == COMMIT and one in data:
                todo.append((key, data.replace(one, two)))
        model.manifest["state"] = named(model.manifest["state"], old, new)
        history = named(model.manifest["history"], old, new)
        model.manifest["history"] = history | {
            key: sorted(history[key]) for key in ("missing", "prerequisites", "shallow")
        }
    model.put_objects(objects)


def prune(model: Model) -> None:
    """Leave out what nothing reaches."""
    objects = model.objects()
    box = Box(model.format)
    box.objects = {oid: (kind, content) for oid, (kind, content, _) in objects.items()}
    wanted = box.reached(*roots(model.state))
    model.put_objects({oid: item for oid, item in objects.items() if oid in wanted})


def add(model: Model, kind: int, content: bytes) -> bytes:
    """Put an object in."""
    oid = object_id(kind, content, model.format)
    if oid not in model.objects():
        model.pieces[0].records.append([kind, content])
    return oid


def pick(random: Random, model: Model, kind: int) -> tuple[bytes, bytes]:
    """Any object of a kind: its id, and its content."""
    found = [(oid, content) for oid, (known, content, _) in model.objects().items() if known == kind]
    if not found:
        raise Unfit
    return random.choice(found)


def pick_tree(random: Random, model: Model, *, strict: bool = True) -> tuple[bytes, list[Entry]]:
    """Any tree, or one that the worktree or index has: its id, and its entries."""
    objects = model.objects()
    length = 20 if model.format == "sha1" else 32
    if strict:
        tops = [part[key]["tree"] for _, part in states(model) for key in ("index", "worktree") if part[key]]
    else:
        tops = [oid for oid, (kind, _, _) in objects.items() if kind == TREE]
    tops = [oid for oid in tops if oid in objects]
    if not tops:
        raise Unfit
    oid = random.choice(tops)
    while True:
        entries = entries_of(objects[oid][1], length)
        inner = [found for mode, _, found in entries if mode == b"40000" and found in objects]
        if not inner or random.random() < 0.5:
            return oid, entries
        oid = random.choice(inner)


def tree_content(entries: list[Entry], *, order: bool = True) -> bytes:
    """The content of a tree, in git's order unless it is not to be."""
    if order:
        entries = sorted(entries, key=lambda it: it[1] + (b"/" if it[0] == b"40000" else b""))
    return b"".join(mode + b" " + name + b"\0" + oid for mode, name, oid in entries)


def paths(random: Random, model: Model, tree: bytes | None) -> list[bytes]:
    """The paths of a tree in their order; none where it is not there."""
    from conformance.differ.model import box_of

    box = box_of(model.objects(), model.format)
    return sorted(box.leaves.get(tree or b"", {}))


def put(items: list[Any], item: Any, key: Any = lambda it: it) -> None:
    """Put an item into a sorted list, unless it is there."""
    if key(item) not in [key(other) for other in items]:
        items.append(item)
        items.sort(key=key)


def missing_oid(random: Random, model: Model) -> bytes:
    """An id that no object has."""
    return random.randbytes(20 if model.format == "sha1" else 32)


def blob_or_new(random: Random, model: Model) -> bytes:
    """The id of a blob: one that is there, or a new one."""
    found = [oid for oid, (kind, _, _) in model.objects().items() if kind == BLOB]
    if found and random.random() < 0.6:
        return random.choice(found)
    return add(model, BLOB, random.randbytes(random.randrange(9)))
