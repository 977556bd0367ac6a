// SPEC section 13.2: the summary, derived from the state and the objects.
import { flatten, REGULAR, EXECUTABLE, SUBMODULE } from './objects.js';
import { below } from './paths.js';
import { allStates } from './manifest.js';

const REGULARS = [REGULAR, EXECUTABLE];
const type = (mode) => (REGULARS.includes(mode) ? REGULAR : mode);
const same = (a, b) => a.mode === b.mode && a.oid === b.oid;
const changed = (a, b) => (type(a.mode) !== type(b.mode) ? 'T' : 'M');

/** H, I and W of one state, flattened; a nil tree is empty. */
export function flatTrees(objects, state, full, budget) {
  const commit = state.head.commit === null ? null : objects.commit(state.head.commit);
  const flat = (root) => flatten(objects, root, full, budget);
  return {
    head: { ...flat(commit?.tree ?? null), ...(commit === null && state.head.commit !== null ? { whole: false } : {}) },
    index: flat(state.index?.tree ?? null),
    worktree: flat(state.worktree?.tree ?? null),
  };
}

function changesOf(state, trees) {
  const [head, index, worktree] = [trees.head.entries, trees.index.entries, trees.worktree.entries];
  const conflicts = new Set((state.index?.conflicts ?? []).map((entry) => entry.path));
  const added = new Set((state.index?.intentToAdd ?? []).map((entry) => entry.path));
  const gone = new Set((state.worktree?.omitted ?? []).map((entry) => entry.path));
  const inOmitted = below([...gone].filter((path) => path.endsWith('/')));
  const omitted = (path) => gone.has(path) || inOmitted(path);
  const converted = new Set(state.worktree?.converted ?? []);
  const skipped = new Set(state.index?.skipWorktree ?? []);
  const staged = [];
  const unstaged = [];
  const untracked = [];
  if (state.index !== null) {
    for (const path of new Set([...head.keys(), ...index.keys()])) {
      if (conflicts.has(path)) continue;
      const [old, now] = [head.get(path), index.get(path)];
      if (!old) staged.push(['A', path]);
      else if (!now) staged.push(['D', path]);
      else if (!same(old, now)) staged.push([changed(old, now), path]);
    }
  }
  if (state.index !== null && state.worktree !== null) {
    for (const [path, old] of index) {
      if (conflicts.has(path) || omitted(path)) continue;
      const now = worktree.get(path);
      if (!now) {
        if (!skipped.has(path)) unstaged.push(['D', path]);
      } else if (!same(old, now) && !converted.has(path)) unstaged.push([changed(old, now), path]);
    }
    for (const path of added) if (!omitted(path)) unstaged.push([worktree.has(path) ? 'A' : 'D', path]);
  }
  if (state.worktree !== null) {
    for (const path of worktree.keys()) {
      if (!index.has(path) && !conflicts.has(path) && !added.has(path)) untracked.push(path);
    }
  }
  return { staged, unstaged, untracked, conflicted: [...conflicts] };
}

const inOrder = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Everything but `commit`. `flat` gives the flattened trees of a state.
 * Null where a tree is not in the container, `size` null where a blob is neither in it nor in `missing`: of a thin container
 * these cannot be told.
 */
export function deriveSummary(objects, outermost, flat, missing = new Set()) {
  const lists = { staged: new Map(), unstaged: new Map(), untracked: new Map(), conflicted: new Map() };
  let files = 0;
  let size = 0;
  let unknown = false;
  // The outer state comes first, so that its letter stays where two list the same path.
  for (const { state, full } of allStates(outermost)) {
    const trees = flat(state);
    if (Object.values(trees).some(({ whole }) => !whole)) return null;
    const own = changesOf(state, trees);
    for (const [name, list] of Object.entries(own)) {
      for (const entry of list) {
        const [letter, path] = Array.isArray(entry) ? entry : [null, entry];
        if (!lists[name].has(full + path)) lists[name].set(full + path, letter);
      }
    }
    for (const { mode, oid } of (state.worktree === null ? trees.head : trees.worktree).entries.values()) {
      if (mode === SUBMODULE) continue;
      files += 1;
      const blob = objects.get(oid);
      if (blob !== null) size += blob.size;
      else unknown ||= !missing.has(oid);
    }
  }
  const entries = (name) => [...lists[name]].sort((a, b) => inOrder(a[0], b[0]));
  const withLetters = (name) => entries(name).map(([path, letter]) => ({ letter, path }));
  return {
    conflicted: entries('conflicted').map(([path]) => path),
    files,
    size: unknown ? null : size,
    staged: withLetters('staged'),
    unstaged: withLetters('unstaged'),
    untracked: entries('untracked').map(([path]) => path),
  };
}

