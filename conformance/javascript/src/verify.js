// What only a verifier checks. Of a thin container, what depends on objects that are not in it cannot be checked.
import { fail } from './errors.js';
import { hexOf, printable, unbinary } from './bytes.js';
import { allStates } from './manifest.js';
import { checkExtensions } from './extensions.js';
import { objectId } from './hash.js';
import { checkStrict, flatBudget, COMMIT, TREE, BLOB, DIRECTORY, SUBMODULE, REGULAR, EXECUTABLE, KIND_NAMES } from './objects.js';
import { below } from './paths.js';
import { deriveSummary, flatTrees } from './summary.js';

const kindOfMode = (mode) => (mode === DIRECTORY ? TREE : BLOB);

const shown = (path) => printable(unbinary(path));

/** Every tree reachable from the roots, once. */
function* reachable(objects, roots) {
  const seen = new Set();
  const left = [...roots];
  while (left.length > 0) {
    const oid = left.pop();
    if (seen.has(oid)) continue;
    seen.add(oid);
    const entries = objects.tree(oid);
    if (entries === null) continue;
    yield { oid, entries };
    for (const entry of entries) if (entry.mode === DIRECTORY) left.push(entry.oid);
  }
}

function strictTrees(objects, outermost) {
  const states = [...allStates(outermost)].map(({ state }) => state);
  const roots = states.flatMap((state) => [state.index?.tree, state.worktree?.tree]).filter((oid) => oid !== undefined);
  const empty = objectId(objects.format, TREE, new Uint8Array());
  for (const { entries } of reachable(objects, roots)) {
    checkStrict(entries);
    for (const { mode, oid, name } of entries) {
      if (mode === DIRECTORY && oid === empty) fail('malformed.object', 'JF-OBJ-005', `the directory ${shown(name)} of a strict tree is empty`);
    }
  }
}

/** JF-OBJ-007 for what trees and commits name; what the state names is checked where it is needed. */
function kinds(objects) {
  const check = (oid, kind, by) => {
    const named = objects.get(oid);
    if (named !== null && named.kind !== kind) fail('malformed.object', 'JF-OBJ-007', `${hexOf(oid)} is a ${KIND_NAMES[named.kind]}, ${by} names it as a ${KIND_NAMES[kind]}`);
  };
  for (const [oid, { kind }] of objects.all) {
    if (kind === TREE) {
      for (const entry of objects.tree(oid)) if (entry.mode !== SUBMODULE) check(entry.oid, kindOfMode(entry.mode), 'a tree');
    } else if (kind === COMMIT) {
      const { tree, parents } = objects.commit(oid);
      check(tree, TREE, 'a commit');
      for (const parent of parents) check(parent, COMMIT, 'a commit');
    }
  }
}

/** JF-REC-008. It is enough to look for what is named: no object is behind itself. */
function reached(objects, outermost) {
  const named = new Set();
  let whole = true;
  // What would name others.
  const names = (oid) => {
    named.add(oid);
    if (!objects.has(oid)) whole = false;
  };
  for (const { state } of allStates(outermost)) {
    for (const oid of [state.head.commit, ...(state.operation?.heads ?? [])]) if (oid !== null) names(oid);
    for (const part of [state.index, state.worktree]) if (part) names(part.tree);
    for (const { stages } of state.index?.conflicts ?? []) for (const stage of stages) if (stage && stage.mode !== SUBMODULE) named.add(stage.oid);
  }
  for (const [oid, { kind }] of objects.all) {
    if (kind === COMMIT) {
      const commit = objects.commit(oid);
      names(commit.tree);
      for (const parent of commit.parents) named.add(parent);
    } else if (kind === TREE) {
      for (const entry of objects.tree(oid)) if (entry.mode === DIRECTORY) names(entry.oid); else if (entry.mode !== SUBMODULE) named.add(entry.oid);
    }
  }
  // Of a thin container, what is not there may name it.
  if (objects.thin && !whole) return;
  for (const [oid, { kind }] of objects.all) if (!named.has(oid)) fail('mismatch.state', 'JF-REC-008', `nothing names the ${KIND_NAMES[kind]} ${hexOf(oid)}`);
}

/** Section 9.3: [oid, kind] of all that the states need and the container has or lacks. */
function* needed(objects, outermost) {
  const seen = { [TREE]: new Set(), [BLOB]: new Set() };
  const trees = function* trees(root) {
    const left = [root];
    while (left.length > 0) {
      const oid = left.pop();
      if (seen[TREE].has(oid)) continue;
      seen[TREE].add(oid);
      yield [oid, TREE];
      for (const entry of objects.tree(oid) ?? []) {
        if (entry.mode === DIRECTORY) left.push(entry.oid);
        else if (entry.mode !== SUBMODULE && !seen[BLOB].has(entry.oid)) {
          seen[BLOB].add(entry.oid);
          yield [entry.oid, BLOB];
        }
      }
    }
  };
  for (const { state } of allStates(outermost)) {
    const commits = [state.head.commit, ...(state.operation?.heads ?? [])].filter((oid) => oid !== null);
    for (const oid of commits) {
      yield [oid, COMMIT];
      const commit = objects.commit(oid);
      if (commit) yield* trees(commit.tree);
    }
    if (state.index) {
      yield* trees(state.index.tree);
      for (const { stages } of state.index.conflicts) {
        for (const stage of stages) if (stage && stage.mode !== SUBMODULE) yield [stage.oid, BLOB];
      }
    }
    if (state.worktree) yield* trees(state.worktree.tree);
  }
}

function neededObjects(objects, manifest) {
  const missing = new Set(manifest.history.missing);
  let count = 0;
  for (const [oid, kind] of needed(objects, manifest.state)) {
    count += 1;
    const object = objects.get(oid);
    if (object !== null && object.kind !== kind) {
      fail('malformed.object', 'JF-OBJ-007', `${hexOf(oid)} is a ${KIND_NAMES[object.kind]}, the state names it as a ${KIND_NAMES[kind]}`);
    }
    if (objects.thin || (object !== null && object.block === 'state')) continue;
    if (object === null && kind === BLOB && missing.has(oid)) continue;
    fail('missing.object', 'JF-NED-001', `the ${KIND_NAMES[kind]} ${hexOf(oid)} is not in the state blocks`);
  }
  return count;
}

function historyChecks(objects, { history }) {
  const missing = new Set(history.missing);
  const prerequisites = new Set(history.prerequisites);
  const there = (oid, kind) => {
    if (!objects.thin && !objects.has(oid) && !missing.has(oid)) fail('missing.object', 'JF-HIS-004', `the ${KIND_NAMES[kind]} ${hexOf(oid)} is not in the container`);
  };
  const shallow = [];
  for (const [oid, { kind }] of objects.all) {
    if (kind === COMMIT) {
      const { tree, parents } = objects.commit(oid);
      there(tree, TREE);
      if (parents.some((parent) => !objects.has(parent) && !prerequisites.has(parent))) shallow.push(oid);
    } else if (kind === TREE) {
      for (const entry of objects.tree(oid)) if (entry.mode !== SUBMODULE) there(entry.oid, kindOfMode(entry.mode));
    }
  }
  if (history.commits !== objects.commits) fail('mismatch.state', 'JF-HIS-001', `history.commits is ${history.commits}, there are ${objects.commits}`);
  if (!sameList(shallow.sort(), history.shallow)) fail('mismatch.state', 'JF-HIS-002', 'history.shallow is not the boundary');
  for (const oid of missing) if (objects.has(oid)) fail('mismatch.state', 'JF-HIS-003', `history.missing names ${hexOf(oid)}, which is there`);
}

const regular = (entry) => entry !== undefined && (entry.mode === REGULAR || entry.mode === EXECUTABLE);

function stateChecks(state, { head, index, worktree }) {
  const bad = (requirement, path, message) => fail('mismatch.state', requirement, `${shown(path)} ${message}`);
  const [staged, files] = [index.entries, worktree.entries];
  if (state.index) {
    const conflicts = new Set(state.index.conflicts.map(({ path }) => path));
    const added = new Set(state.index.intentToAdd.map(({ path }) => path));
    for (const path of [...conflicts, ...added]) if (staged.has(path)) bad('JF-IDX-001', path, 'is in the index tree too');
    for (const path of conflicts) if (added.has(path)) bad('JF-IDX-001', path, 'is both a conflict and intent-to-add');
    for (const path of [...state.index.assumeUnchanged, ...state.index.skipWorktree]) {
      if (!staged.has(path) && !added.has(path)) bad('JF-IDX-002', path, 'is not in the index');
    }
  }
  if (state.index) {
    const elsewhere = new Set([...state.index.conflicts, ...state.index.intentToAdd].map(({ path }) => path));
    for (const { path } of state.index.omitted) {
      if (elsewhere.has(path)) bad('JF-IDX-003', path, 'is a conflict or intent-to-add, and called left out');
      const [old, now] = [head.entries.get(path), staged.get(path)];
      if (old?.mode !== now?.mode || old?.oid !== now?.oid) bad('JF-IDX-003', path, 'is called left out, and is in the index tree');
    }
  }
  const nested = new Set(state.submodules.map(({ path }) => path));
  const blocked = below(nested.size > 0 || (state.worktree?.emptyDirectories.length ?? 0) > 0 ? [...files.keys(), ...nested] : []);
  const inWorktree = (path) => files.has(path) || worktree.directories.has(path);
  if (state.worktree) {
    const { omitted, emptyDirectories, converted, filtered } = state.worktree;
    for (const path of [...omitted.map((entry) => entry.path.replace(/\/$/, '')), ...emptyDirectories]) if (inWorktree(path)) bad('JF-WRK-002', path, 'is in the worktree tree');
    for (const path of emptyDirectories) if (nested.has(path) || blocked(path)) bad('JF-WRK-006', path, 'lies in what is no directory, or in a nested repository');
    for (const path of converted) if (!regular(staged.get(path)) || !regular(files.get(path))) bad('JF-WRK-003', path, 'is not a regular file in both trees');
    for (const path of filtered) {
      if (!staged.has(path) || staged.get(path).oid !== files.get(path)?.oid) bad('JF-WRK-004', path, 'has not the same oid in both trees');
    }
  }
  const inPlace = state.worktree ? worktree : head;
  if (state.roots.length > 0) {
    const paths = [...inPlace.entries.keys(), ...inPlace.directories, ...(state.worktree?.emptyDirectories ?? []), ...nested];
    const taken = new Set(paths.map((path) => path.split('/', 1)[0]));
    for (const { path } of state.roots) if (taken.has(path)) bad('JF-ROO-002', path, 'is the name of a root, and of something in the worktree');
  }
  for (const { path, head: { commit } } of state.submodules) {
    const entry = files.get(path);
    if (blocked(path)) bad('JF-SUB-005', path, 'lies in what is no directory, or in another nested repository');
    if (commit === null) {
      if (inWorktree(path)) bad('JF-SUB-002', path, 'is in the worktree tree');
    } else if (entry?.mode !== SUBMODULE || entry.oid !== commit) bad('JF-SUB-001', path, 'has no entry with its commit');
  }
}

const sameList = (a, b) => a.length === b.length && a.every((entry, i) => entry === b[i]);

/** The key in which they differ, or null. */
function difference(derived, given) {
  if (derived.files !== given.files) return 'files';
  if (derived.size !== null && derived.size !== given.size) return 'size';
  for (const name of ['conflicted', 'untracked']) if (!sameList(derived[name], given[name])) return name;
  const text = (list) => list.map(({ letter, path }) => letter + path);
  for (const name of ['staged', 'unstaged']) if (!sameList(text(derived[name]), text(given[name]))) return name;
  return null;
}

/**
 * @param {import('./container.js').Container} container
 * @returns {Promise<{name: string, detail: string}[]>} what was checked; a fault is thrown
 */
export async function verify(container) {
  const { manifest } = container;
  const objects = await container.loadBlocks(() => true, true);
  const checks = [];
  const note = (name, detail) => checks.push({ name, detail });
  note('header', `version 1, ${container.header.totalLength} bytes`);
  note('manifest', `blocks: ${manifest.blocks.length}`);
  note('blocks', 'the SHA-256 of each matches');
  note('objects', `objects: ${objects.all.size}, rebuilt from diffs: ${objects.diffs}`);
  // Flattening comes first: it is what bounds paths, and how often a directory is walked.
  const budget = flatBudget(container.bounds);
  const trees = new Map([...allStates(manifest.state)].map(({ state, full }) => [state, flatTrees(objects, state, full, budget)]));
  strictTrees(objects, manifest.state);
  kinds(objects);
  note('trees', 'modes, order, kinds and paths');
  note('needed objects', `named by the state: ${neededObjects(objects, manifest)}`);
  historyChecks(objects, manifest);
  note('history', `commits: ${objects.commits}, at the boundary: ${manifest.history.shallow.length}`);
  // Of a thin container, a state of which a tree is not there is passed over (13.3).
  for (const [state, flat] of trees) if (Object.values(flat).every(({ whole }) => whole)) stateChecks(state, flat);
  reached(objects, manifest.state);
  note('state', `repositories: ${trees.size}`);
  const derived = deriveSummary(objects, manifest.state, (state) => trees.get(state), new Set(manifest.history.missing));
  const wrong = derived && difference(derived, manifest.summary);
  if (wrong) fail('mismatch.summary', 'JF-SUM-001', `summary.${wrong} is not what the state says`);
  note('summary', derived ? 'as the state and the objects say' : 'not checked: trees of this thin container are not in it');
  checkExtensions(manifest);
  return checks;
}
