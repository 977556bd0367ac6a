// Which files that are gone came back under another name, as git tells them: the same content, else one half alike or more.
import { BLOB, LINK, SUBMODULE } from '../src/objects.js';
import { binary } from '../src/bytes.js';

const MOST_PAIRS = 10_000;
const MOST_BYTES = 1024 ** 2;
const LIKE = 0.5;
const MOST_LINES = 20_000_000; // looked at in all pairs

const type = ({ mode }) => (mode === LINK || mode === SUBMODULE ? mode : BLOB);

/** How many bytes lie in lines of each text. */
function linesOf(bytes) {
  const out = new Map();
  for (const line of binary(bytes).split(/(?<=\n)/)) out.set(line, (out.get(line) ?? 0) + line.length);
  return out;
}

function likeness(one, other, lengths) {
  let same = 0;
  for (const [line, length] of one) same += Math.min(length, other.get(line) ?? 0);
  return same / Math.max(...lengths, 1);
}

/**
 * Entries {path, from, old, now} of which those that were renamed stand together; `from` is the old path.
 * @param {(entry: object) => Uint8Array|null} bytesOf the content of what was there, or is
 */
export function withRenames(entries, oldBytes, newBytes) {
  const gone = entries.filter(({ old, now, marks }) => old && !now && !marks?.some(({ letter }) => letter === 'U'));
  const come = entries.filter(({ old, now }) => !old && now);
  const pairs = new Map();
  const taken = new Set();
  const pair = (before, after) => {
    pairs.set(after, before);
    taken.add(before);
  };
  const byContent = new Map();
  for (const entry of gone) byContent.set(`${type(entry.old)} ${entry.old.oid}`, [...(byContent.get(`${type(entry.old)} ${entry.old.oid}`) ?? []), entry]);
  for (const entry of come) {
    const before = byContent.get(`${type(entry.now)} ${entry.now.oid}`)?.find((it) => !taken.has(it));
    if (before) pair(before, entry);
  }
  const [left, right] = [gone.filter((it) => !taken.has(it)), come.filter((it) => !pairs.has(it))];
  if (left.length > 0 && left.length * right.length <= MOST_PAIRS) {
    const read = (list, get, side) => list.map((entry) => [entry, type(entry[side]) === BLOB ? get(entry[side]) : null])
      .filter(([, bytes]) => bytes !== null && bytes.length > 0 && bytes.length <= MOST_BYTES).map(([entry, bytes]) => ({ entry, length: bytes.length, lines: linesOf(bytes) }));
    const [olds, news] = [read(left, oldBytes, 'old'), read(right, newBytes, 'now')];
    let room = MOST_LINES;
    const found = olds.flatMap((before) => news.filter(({ length }) => Math.min(length, before.length) >= LIKE * Math.max(length, before.length))
      .filter(() => (room -= before.lines.size) > 0)
      .map((after) => ({ before: before.entry, after: after.entry, like: likeness(before.lines, after.lines, [before.length, after.length]) })));
    found.sort((a, b) => b.like - a.like);
    for (const { before, after, like } of found) if (like >= LIKE && !taken.has(before) && !pairs.has(after)) pair(before, after);
  }
  return entries.filter((entry) => !taken.has(entry)).map((entry) => {
    const before = pairs.get(entry);
    return before ? { ...entry, from: before.path, old: before.old, marks: [{ letter: 'R', what: 'renamed' }, ...(entry.marks ?? [])] } : entry;
  });
}
