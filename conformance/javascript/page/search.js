// A text in all files of a snapshot.
import { SUBMODULE } from '../src/objects.js';
import { el, name, plural, textOf, visible } from './dom.js';
import { fileAt } from './route.js';

const MOST_HITS = 500;
const MOST_PER_FILE = 50;
const MOST_BYTES = 256 * 1024 ** 2;
const MOST_FILE = 8 * 1024 ** 2;
const LONGEST = 300;
const SLICE_MS = 12;

/** A line around what was found, not longer than people read. */
function around(text, at, length) {
  const from = Math.max(0, Math.min(at - 60, text.length - LONGEST));
  const to = Math.min(text.length, from + LONGEST);
  return [from > 0 ? '\u2026' : '', visible(text.slice(from, at)).trimStart(), el('mark', {}, visible(text.slice(at, at + length))), visible(text.slice(at + length, to)), to < text.length ? '\u2026' : ''];
}

function* linesWith(text, wanted, fold) {
  const folded = fold ? text.toLowerCase() : text;
  // Letters that are longer in lower case move what stands behind them.
  const same = folded.length === text.length ? folded : text;
  let [line, seen] = [1, 0];
  for (let at = same.indexOf(wanted); at >= 0;) {
    for (let next = same.indexOf('\n', seen); next >= 0 && next < at; next = same.indexOf('\n', seen)) {
      line += 1;
      seen = next + 1;
    }
    const end = text.indexOf('\n', at);
    const stop = end < 0 ? text.length : end;
    yield { line, text: text.slice(seen, stop), at: at - seen };
    at = same.indexOf(wanted, Math.max(stop, at + 1));
  }
}

/**
 * Fill `out` with what is found, a bit at a time; `isOver` says that something else is looked for by now.
 * Letters are compared as they are where one of `wanted` is a capital.
 */
export async function search(snapshot, number, wanted, out, isOver) {
  const fold = wanted === wanted.toLowerCase();
  const found = el('div', { className: 'found' });
  const said = el('p', { className: 'quiet', role: 'status' }, 'Searching \u2026');
  out.replaceChildren(said, found);
  let [hits, files, left, skipped, at] = [0, 0, MOST_BYTES, 0, performance.now()];
  for (const [path, entry] of snapshot.files) {
    if (performance.now() - at > SLICE_MS) {
      await new Promise((done) => { setTimeout(done); });
      if (isOver()) return;
      at = performance.now();
    }
    const bytes = entry.mode === SUBMODULE ? null : snapshot.bytes(entry);
    if (bytes === null) continue;
    if (bytes.length > MOST_FILE || bytes.length > left) {
      skipped += 1;
      continue;
    }
    left -= bytes.length;
    const text = textOf(bytes);
    if (text === null) continue;
    const rows = [];
    for (const hit of linesWith(text.text, wanted, fold)) {
      if (rows.length === MOST_PER_FILE || hits === MOST_HITS) {
        rows.push(el('li', { className: 'quiet' }, 'and more'));
        break;
      }
      hits += 1;
      rows.push(el('li', {}, el('a', { href: fileAt(number, path, hit.line) }, el('span', { className: 'quiet' }, `${hit.line} `), el('code', {}, around(hit.text, hit.at, wanted.length)))));
    }
    if (rows.length === 0) continue;
    files += 1;
    found.append(el('section', { className: 'card' }, el('h3', {}, el('a', { href: fileAt(number, path) }, name(path))), el('ul', {}, rows)));
    if (hits === MOST_HITS) break;
  }
  const more = [hits === MOST_HITS ? 'the first of more' : null, skipped ? `${plural(skipped, 'large file')} not searched` : null].filter(Boolean);
  said.textContent = [hits === 0 ? 'Not found' : `${plural(hits, 'line')} in ${plural(files, 'file')}`, ...more].join(', ');
}
