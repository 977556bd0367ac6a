// The tree on the left, one file on the right.
import { EXECUTABLE, LINK, SUBMODULE } from '../src/objects.js';
import { hexOf, unbinary } from '../src/bytes.js';
import { el, name, plural, size, textOf, visible } from './dom.js';
import { highlighted, languageOf } from './highlight.js';
import { mark } from './overview.js';

const OPEN_ALL = 60;
const MOST_FOUND = 500;
const MOST_TEXT = 1_000_000;

/** The directories and files of sorted paths, as nested maps. */
function nest(paths) {
  const root = new Map();
  for (const path of paths) {
    const parts = path.split('/');
    let at = root;
    for (const part of parts.slice(0, -1)) {
      // A file and a directory of one name can stand in the tree of an old commit.
      if (!at.has(`${part}/`)) at.set(`${part}/`, new Map());
      at = at.get(`${part}/`);
    }
    at.set(parts.at(-1), path);
  }
  return root;
}

function hexDump(bytes) {
  const lines = [];
  for (let at = 0; at < Math.min(bytes.length, 512); at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    lines.push(`${at.toString(16).padStart(8, '0')}  ${row.map((b) => b.toString(16).padStart(2, '0')).join(' ').padEnd(48)} ${row.map((b) => (b > 31 && b < 127 ? String.fromCharCode(b) : '\u00b7')).join('')}`);
  }
  return lines.join('\n');
}

function content(path, bytes) {
  const found = textOf(bytes);
  if (found === null) return [[`binary, the first ${Math.min(bytes.length, 512)} bytes`], el('pre', { className: 'hex' }, hexDump(bytes))];
  const shown = visible(found.text.slice(0, MOST_TEXT));
  const notes = [found.note, found.text.length > MOST_TEXT ? 'the first million characters' : null, found.text.includes('\r\n') ? 'CRLF' : null];
  const count = shown.split('\n').length - (shown.endsWith('\n') ? 1 : 0);
  const numbers = Array.from({ length: count }, (_, i) => i + 1).join('\n');
  return [notes, el('div', { className: 'code' }, el('pre', { className: 'numbers', 'aria-hidden': 'true' }, numbers),
    el('pre', {}, el('code', {}, highlighted(shown, languageOf(path)))))];
}

function save(path, bytes) {
  const url = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }));
  el('a', { href: url, download: name(path.slice(path.lastIndexOf('/') + 1)) }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function view(snapshot, path) {
  const entry = snapshot.files.get(path);
  const bytes = snapshot.bytes(entry);
  const kind = entry.mode === LINK ? 'symbolic link' : entry.mode === SUBMODULE ? 'submodule' : entry.mode === EXECUTABLE ? 'executable' : null;
  const [notes, shown] = bytes === null ? [['not in the container'], el('p', { className: 'quiet' }, 'The repository did not have its content.')] : content(path, bytes);
  return [
    el('div', { className: 'bar' },
      el('strong', {}, name(path)), ...(snapshot.marks.get(path) ?? []).map(({ letter, what }) => el('span', { className: 'tag' }, mark(letter), ` ${what}`)),
      el('span', { className: 'quiet' }, [bytes && size(bytes.length), kind, ...notes].filter(Boolean).join(' \u00b7 ')),
      bytes === null ? null : el('button', { className: 'plain', onclick: () => save(path, bytes) }, 'Save'),
      el('code', { className: 'quiet oid', title: hexOf(entry.oid) }, hexOf(entry.oid).slice(0, 10))),
    shown,
  ];
}

export function files(snapshot) {
  const paths = [...snapshot.files.keys()];
  const { marks } = snapshot;
  const changedBelow = new Set([...marks.keys()].flatMap((path) => path.split('/').slice(0, -1).map((_, i, parts) => parts.slice(0, i + 1).join('/'))));
  const right = el('article', { className: 'file' });
  let chosen = null;
  const choose = (button, path) => {
    chosen?.setAttribute('aria-current', 'false');
    button.setAttribute('aria-current', 'true');
    chosen = button;
    right.replaceChildren(...view(snapshot, path));
    right.scrollTop = 0;
  };
  const leaf = (path, label) => {
    const button = el('button', { onclick: () => choose(button, path) }, name(label), (marks.get(path) ?? []).slice(0, 1).map(({ letter }) => mark(letter)));
    return el('li', {}, button);
  };
  const branch = (level, prefix, open) => [...level].sort(([a, x], [b, y]) => (y instanceof Map) - (x instanceof Map) || (a < b ? -1 : 1)).map(([part, inner]) => {
    if (!(inner instanceof Map)) return leaf(inner, part);
    const list = el('ul', {});
    const fill = () => list.childElementCount === 0 && list.append(...branch(inner, prefix + part, open));
    const path = prefix + part.slice(0, -1);
    const details = el('details', { ontoggle: fill }, el('summary', { className: changedBelow.has(path) ? 'changed' : '' }, name(part.slice(0, -1))), list);
    if (open) {
      fill();
      details.open = true;
    }
    return el('li', {}, details);
  });
  const tree = el('ul', { className: 'tree' });
  const fillTree = (wanted) => {
    if (wanted === '') return tree.replaceChildren(...branch(nest(paths), '', paths.length <= OPEN_ALL));
    const found = paths.filter((path) => name(path).toLowerCase().includes(wanted));
    tree.replaceChildren(...found.slice(0, MOST_FOUND).map((path) => leaf(path, path)));
    if (found.length !== tree.childElementCount) tree.append(el('li', { className: 'quiet' }, `and ${plural(found.length - MOST_FOUND, 'file')} more`));
    return undefined;
  };
  const filter = el('input', { type: 'search', placeholder: 'Filter files', 'aria-label': 'Filter files', oninput: () => fillTree(filter.value.trim().toLowerCase()) });
  fillTree('');
  if (snapshot.partial) return el('p', { className: 'empty' }, 'A thin container: not all of its trees are in it.');
  if (paths.length === 0) return el('p', { className: 'empty' }, 'No files.');
  const first = paths.find((path) => marks.has(path)) ?? paths.find((path) => /^readme/i.test(path)) ?? paths[0];
  right.append(...view(snapshot, first));
  return [el('aside', {}, filter, tree), right];
}
