// What only a verifier checks, in the order of SPEC section 12: strict trees, needed objects, history, state, summary.
import { fail, step } from './errors.js';
import { hexOf, printable, unbinary } from './bytes.js';
import { allStates } from './manifest.js';
import { checkStrict, COMMIT, TREE, BLOB, DIRECTORY, SUBMODULE, REGULAR, EXECUTABLE, KIND_NAMES, flatten } from './objects.js';
import { deriveSummary, flatTrees } from './summary.js';

const kindOfMode = (mode) => (mode === DIRECTORY ? TREE : mode === SUBMODULE ? COMMIT : BLOB);

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
  step(
    () => { for (const root of new Set(roots)) flatten(objects, root); }, // limit.count, limit.path
    () => { for (const { entries } of reachable(objects, roots)) checkStrict(entries); },
    () => {
      for (const [oid, object] of objects.all) {
        if (object.kind !== TREE) continue;
        for (const entry of objects.tree(oid)) {
          const named = objects.get(entry.oid);
          if (named !== null && named.kind !== kindOfMode(entry.mode)) {
            fail('malformed.object', 'JF-OBJ-007', `a tree names a ${KIND_NAMES[named.kind]} with the mode ${entry.digits}`);
          }
        }
      }
    },
  );
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
  if (manifest.history.prerequisites.length > 0) return 0;
  const missing = new Set(manifest.history.missing);
  let count = 0;
  for (const [oid, kind] of needed(objects, manifest.state)) {
    count += 1;
    const object = objects.get(oid);
    if (object !== null && object.kind !== kind) {
      fail('malformed.object', 'JF-OBJ-007', `${hexOf(oid)} is a ${KIND_NAMES[object.kind]}, the state names it as a ${KIND_NAMES[kind]}`);
    }
    if (object !== null && object.block === 'state') continue;
    if (object === null && missing.has(oid)) continue;
    fail('missing.object', 'JF-NED-001', `the ${KIND_NAMES[kind]} ${hexOf(oid)} is not in the state blocks`);
  }
  return count;
}

function historyChecks(objects, { history }) {
  const missing = new Set(history.missing);
  const prerequisites = new Set(history.prerequisites);
  step(
    () => {
      if (history.prerequisites.length > 0) return;
      const there = (oid, kind) => {
        const object = objects.get(oid);
        if (object !== null && object.kind !== kind) fail('malformed.object', 'JF-OBJ-007', `${hexOf(oid)} is a ${KIND_NAMES[object.kind]}, a commit names it as a ${KIND_NAMES[kind]}`);
        if (!objects.has(oid, kind) && !missing.has(oid)) fail('missing.object', 'JF-HIS-004', `the ${KIND_NAMES[kind]} ${hexOf(oid)} is not in the container`);
      };
      for (const [oid, object] of objects.all) {
        if (object.kind === COMMIT) there(objects.commit(oid).tree, TREE);
        if (object.kind === TREE) {
          for (const entry of objects.tree(oid)) if (entry.mode !== SUBMODULE) there(entry.oid, kindOfMode(entry.mode));
        }
      }
    },
    () => {
      if (history.commits !== objects.commits) fail('mismatch.state', 'JF-HIS-001', `history.commits is ${history.commits}, there are ${objects.commits}`);
    },
    () => {
      const shallow = [];
      for (const [oid, object] of objects.all) {
        if (object.kind !== COMMIT) continue;
        for (const parent of objects.commit(oid).parents) {
          if (objects.has(parent) && !objects.has(parent, COMMIT)) fail('malformed.object', 'JF-OBJ-007', `the parent ${hexOf(parent)} is no commit`);
        }
        const out = objects.commit(oid).parents.some((parent) => !objects.has(parent, COMMIT) && !prerequisites.has(parent));
        if (out) shallow.push(oid);
      }
      if (shallow.sort().join() !== history.shallow.join()) fail('mismatch.state', 'JF-HIS-002', 'history.shallow is not the boundary');
    },
    () => {
      for (const oid of missing) if (objects.has(oid)) fail('mismatch.state', 'JF-HIS-003', `history.missing names ${hexOf(oid)}, which is there`);
    },
  );
}

function directoriesOf(tree) {
  const out = new Set();
  for (const path of tree.keys()) {
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) out.add(path.slice(0, at));
  }
  return out;
}

function stateChecks(objects, state, trees, emptyTrees) {
  const bad = (requirement, message) => fail('mismatch.state', requirement, message);
  const { index, worktree } = trees;
  if (state.index) {
    const conflicts = new Set(state.index.conflicts.map(({ path }) => path));
    const added = new Set(state.index.intentToAdd.map(({ path }) => path));
    for (const path of [...conflicts, ...added]) if (index.has(path)) bad('JF-IDX-001', `${shown(path)} is in the index tree too`);
    for (const path of conflicts) if (added.has(path)) bad('JF-IDX-001', `${shown(path)} is both a conflict and intent-to-add`);
    for (const path of [...state.index.assumeUnchanged, ...state.index.skipWorktree]) {
      if (!index.has(path) && !added.has(path)) bad('JF-IDX-002', `${shown(path)} is not in the index`);
    }
  }
  if (state.worktree) {
    const directories = directoriesOf(worktree);
    for (const path of emptyTrees) directories.add(path);
    for (const path of [...state.worktree.omitted.map((entry) => entry.path), ...state.worktree.emptyDirectories]) {
      if (worktree.has(path) || directories.has(path)) bad('JF-WRK-002', `${shown(path)} is in the worktree tree`);
    }
    const regular = (entry) => entry !== undefined && (entry.mode === REGULAR || entry.mode === EXECUTABLE);
    for (const path of state.worktree.converted) {
      if (!regular(index.get(path)) || !regular(worktree.get(path))) bad('JF-WRK-003', `${shown(path)} is not a regular file in both trees`);
    }
    for (const path of state.worktree.filtered) {
      const [a, b] = [index.get(path), worktree.get(path)];
      if (!a || !b || a.oid !== b.oid) bad('JF-WRK-004', `${shown(path)} has not the same oid in both trees`);
    }
  }
  for (const inner of state.submodules) {
    const entry = worktree.get(inner.path);
    if (inner.head.commit !== null) {
      if (!entry || entry.mode !== SUBMODULE || entry.oid !== inner.head.commit) bad('JF-SUB-001', `${shown(inner.path)} has no entry with its commit`);
    } else if (entry || directoriesOf(worktree).has(inner.path)) bad('JF-SUB-002', `${shown(inner.path)} is in the worktree tree`);
  }
}

function sameSummary(derived, given) {
  for (const name of ['files', 'size']) if (derived[name] !== given[name]) return name;
  for (const name of ['conflicted', 'untracked']) if (derived[name].join('\0') !== given[name].join('\0') || derived[name].length !== given[name].length) return name;
  for (const name of ['staged', 'unstaged']) {
    const text = (list) => list.map(({ letter, path }) => `${letter}${path}`).join('\0');
    if (text(derived[name]) !== text(given[name]) || derived[name].length !== given[name].length) return name;
  }
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
  note('manifest', `${manifest.blocks.length} blocks`);
  note('blocks', `the SHA-256 of all ${manifest.blocks.length} matches`);
  note('objects', `${objects.all.size} objects, ${objects.diffs} rebuilt from diffs`);
  strictTrees(objects, manifest.state);
  note('strict trees', 'modes, order and kinds');
  note('needed objects', `${neededObjects(objects, manifest)} named by the state`);
  historyChecks(objects, manifest);
  note('history', `${objects.commits} commits, ${manifest.history.shallow.length} at the boundary`);
  const trees = new Map();
  const flat = (state) => {
    if (!trees.has(state)) trees.set(state, flatTrees(objects, state));
    return trees.get(state);
  };
  for (const { state } of allStates(manifest.state)) {
    const directories = new Set();
    if (state.worktree) flatten(objects, state.worktree.tree, directories);
    stateChecks(objects, state, flat(state), directories);
  }
  note('state', `${[...allStates(manifest.state)].length} repositories`);
  const wrong = sameSummary(deriveSummary(objects, manifest.state, flat), manifest.summary);
  if (wrong) fail('mismatch.summary', 'JF-SUM-001', `summary.${wrong} is not what the state says`);
  note('summary', `${manifest.summary.files} files`);
  return checks;
}
