// SPEC sections 9.1 and 9.2: what is read of commits and trees.
import { fail } from './errors.js';
import { binary, fromHex } from './bytes.js';
import { LIMITS } from './limits.js';
import { unsafeComponent, checkLength } from './paths.js';

export const COMMIT = 1;
export const TREE = 2;
export const BLOB = 3;
export const KIND_NAMES = { 1: 'commit', 2: 'tree', 3: 'blob' };

export const REGULAR = 0o100644;
export const EXECUTABLE = 0o100755;
export const LINK = 0o120000;
export const DIRECTORY = 0o40000;
export const SUBMODULE = 0o160000;

const NEWLINE = 10;

function line(content, at) {
  const end = content.indexOf(NEWLINE, at);
  return end < 0 ? null : binary(content.subarray(at, end));
}

/** @returns {{tree: string, parents: string[]}} oids as binary strings */
export function parseCommit(content, oidLength) {
  const bad = (message) => fail('malformed.object', 'JF-OBJ-001', message);
  const oid = (text) => {
    if (text.length !== 2 * oidLength || !/^[0-9a-f]*$/.test(text)) bad('an oid in a commit that is not lower-case hex');
    return binary(fromHex(text));
  };
  let at = 0;
  const first = line(content, at);
  if (first === null || !first.startsWith('tree ')) bad('a commit that does not begin with a line tree');
  const out = { tree: oid(first.slice(5)), parents: [] };
  at += first.length + 1;
  for (;;) {
    if (binary(content.subarray(at, at + 7)) !== 'parent ') return out;
    const next = line(content, at);
    if (next === null) bad('a line parent without an end');
    out.parents.push(oid(next.slice(7)));
    at += next.length + 1;
  }
}

/** JF-OBJ-006 */
export function readMode(digits) {
  const bits = parseInt(digits, 8);
  switch (bits & 0o170000) {
    case 0o040000: return DIRECTORY;
    case 0o120000: return LINK;
    case 0o100000: return bits & 0o100 ? EXECUTABLE : REGULAR;
    default: return SUBMODULE;
  }
}

// What an unsafe name begins with, or has in it: all others need no closer look.
const OPENS = new Uint8Array(256);
const HOLDS = new Uint8Array(256);
for (const byte of [0x2e, 0x47, 0x67]) OPENS[byte] = 1;
for (const byte of [0x2f, 0x3a, 0x5c, 0xe2, 0xef]) HOLDS[byte] = 1;

/** Checks a tree as `parseTree` does, keeping nothing; how many entries it has, none looked at beyond `most`. */
export function countTree(content, oidLength, most) {
  const bad = (message) => fail('malformed.object', 'JF-OBJ-002', message);
  let [at, count] = [0, 0];
  while (at < content.length) {
    count += 1;
    if (count > most) fail('limit.count', 'JF-OBJ-009', 'trees with more entries than a container of this length may have');
    const from = at;
    while (content[at] >= 0x30 && content[at] <= 0x37) at += 1;
    if (content[at] !== 0x20 || at === from || at - from > 7) bad(`no mode of octal digits in a tree at ${from}`);
    const begin = at + 1;
    let look = OPENS[content[begin]];
    for (at = begin; at < content.length && content[at] !== 0; at++) look |= HOLDS[content[at]];
    if (at >= content.length) bad(`no name in a tree at ${begin}`);
    if (at - begin > LIMITS.component) fail('limit.path', 'JF-PTH-002', `a name of ${at - begin} bytes`);
    if (look !== 0 || at === begin) {
      const name = binary(content.subarray(begin, at));
      if (unsafeComponent(name)) fail('unsafe.path', 'JF-OBJ-003', `unsafe name ${JSON.stringify(name)} in a tree`);
    }
    at += 1 + oidLength;
    if (at > content.length) bad('a tree that is cut off');
  }
  return count;
}

/**
 * The entries of a tree that `countTree` has found good.
 * @returns {{digits: string, mode: number, name: string, oid: string}[]}
 */
export function parseTree(content, oidLength) {
  const out = [];
  let at = 0;
  while (at < content.length) {
    const space = content.indexOf(0x20, at);
    const digits = binary(content.subarray(at, space));
    const nul = content.indexOf(0, space + 1);
    at = nul + 1 + oidLength;
    out.push({ digits, mode: readMode(digits), name: binary(content.subarray(space + 1, nul)), oid: binary(content.subarray(nul + 1, at)) });
  }
  return out;
}

const STRICT_MODES = ['100644', '100755', '120000', '40000', '160000'];

export function checkStrict(entries) {
  const seen = new Set();
  let before = null;
  for (const { digits, mode, name } of entries) {
    if (!STRICT_MODES.includes(digits)) fail('malformed.object', 'JF-OBJ-004', `mode ${digits} in a strict tree`);
    const key = mode === DIRECTORY ? `${name}/` : name;
    if ((before !== null && !(before < key)) || seen.has(name)) {
      fail('malformed.object', 'JF-OBJ-005', `a strict tree that is not in order, or has ${JSON.stringify(name)} twice`);
    }
    seen.add(name);
    before = key;
  }
}

/** JF-OBJ-008: what all flattened trees of a container may have together. */
export const flatBudget = ({ flatEntries, flatPaths }) => ({ entries: flatEntries, paths: flatPaths });

/**
 * A tree by paths, down to the last directory.
 * @param {string} full what stands before its paths, from the outermost repository on
 * @param budget of `flatBudget`; it is counted down
 * @returns {{entries: Map<string, {mode: number, oid: string}>, directories: Set<string>, whole: boolean}}
 *   entries: all but directories, of two of one path the last; whole: no tree on the way is absent
 */
export function flatten(objects, root, full, budget) {
  const out = { entries: new Map(), directories: new Set(), whole: true };
  const walk = (oid, prefix) => {
    const entries = objects.tree(oid);
    if (entries === null) {
      out.whole = false;
      return;
    }
    for (const entry of entries) {
      budget.entries -= 1;
      budget.paths -= full.length + prefix.length + entry.name.length;
      if (budget.entries < 0 || budget.paths < 0) fail('limit.count', 'JF-OBJ-008', 'trees with more entries, or longer paths, than a container of this length may have');
      const path = prefix + entry.name;
      checkLength(path);
      if (entry.mode === DIRECTORY) {
        out.directories.add(path);
        walk(entry.oid, `${path}/`);
      } else {
        out.entries.set(path, { mode: entry.mode, oid: entry.oid });
      }
    }
  };
  if (root !== null) walk(root, '');
  return out;
}
