// The tree on the left, one file on the right, or what a search found.
import { EXECUTABLE, LINK, SUBMODULE } from '../src/objects.js';
import { hexOf } from '../src/bytes.js';
import { contentOf } from './content.js';
import { el, name, plural, size } from './dom.js';
import { mark } from './overview.js';
import { fileAt } from './route.js';
import { search } from './search.js';
import { asPython, commandLine, copyButton } from './shell.js';
import { tree, unfold } from './tree.js';

const OPEN_ALL = 60;
const MOST_FOUND = 500;
const SEARCH_AFTER_MS = 150;

function save(path, bytes) {
  const url = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }));
  el('a', { href: url, download: name(path.slice(path.lastIndexOf('/') + 1)) }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function view(snapshot, about, path, lines) {
  const entry = snapshot.files.get(path);
  const bytes = snapshot.bytes(entry);
  const kind = entry.mode === LINK ? 'symbolic link' : entry.mode === SUBMODULE ? 'submodule' : entry.mode === EXECUTABLE ? 'executable' : null;
  const onLines = ([first, last]) => { location.hash = fileAt(about.number, path, first, last); };
  const { notes, shown, forms } = bytes === null ? { notes: ['not in the container'], shown: el('p', { className: 'quiet' }, 'The repository did not have its content.') }
    : contentOf(snapshot, about.number, path, bytes, { lines, onLines });
  const body = el('div', {}, shown);
  const buttons = Object.entries(forms ?? {}).map(([label, form], i) => el('button', { className: 'plain', 'aria-pressed': String(i === 0), onclick(event) {
    for (const button of buttons) button.setAttribute('aria-pressed', String(button === event.currentTarget));
    body.replaceChildren(typeof form === 'function' ? form() : form);
  } }, label));
  return [
    el('div', { className: 'bar' },
      el('strong', {}, name(path)), ...(snapshot.marks.get(path) ?? []).map(({ letter, what }) => el('span', { className: 'tag' }, mark(letter), ` ${what}`)),
      el('span', { className: 'quiet' }, [bytes && size(bytes.length), kind, ...notes].filter(Boolean).join(' \u00b7 ')),
      el('span', { className: 'actions' }, buttons,
        bytes === null ? null : el('button', { className: 'plain', onclick: () => save(path, bytes) }, 'Save'),
        entry.mode === SUBMODULE ? null : copyButton(() => commandLine('cat', about.file, asPython(path)), 'Copy jelly cat'),
        copyButton(() => new URL(fileAt(about.number, path, ...(lines ?? [])), location.href).href, 'Copy link'),
        el('code', { className: 'quiet oid', title: hexOf(entry.oid) }, hexOf(entry.oid).slice(0, 10)))),
    body,
  ];
}

/** {nodes, show, keys}: `show` takes a route. */
export function files(snapshot, about) {
  const empty = (text) => ({ nodes: el('p', { className: 'empty' }, text), show() {}, keys: [] });
  if (snapshot.fault) return empty('The files cannot be read: see Verify.');
  if (snapshot.partial) return empty('A thin container: not all of its trees are in it.');
  const paths = [...snapshot.files.keys()];
  if (paths.length === 0) return empty('No files.');
  const { marks } = snapshot;
  const changed = new Set([...marks.keys()].flatMap((path) => path.split('/').slice(0, -1).map((_, i, parts) => parts.slice(0, i + 1).join('/'))));
  const right = el('article', { className: 'file' });
  const buttons = new Map();
  let chosen = null;
  const show = (path, lines = null) => {
    if (!snapshot.files.has(path)) {
      right.replaceChildren(el('p', { className: 'quiet' }, `There is no file ${name(path)} in this snapshot.`));
      return;
    }
    unfold(list, path);
    buttons.get(chosen)?.removeAttribute('aria-current');
    buttons.get(path)?.setAttribute('aria-current', 'true');
    buttons.get(path)?.scrollIntoView({ block: 'nearest' });
    chosen = path;
    right.replaceChildren(...view(snapshot, about, path, lines));
    right.querySelector('.chosen-lines')?.scrollIntoView({ block: 'center' });
  };
  const go = (path) => { location.hash = fileAt(about.number, path); };
  const leaf = (path, label) => {
    const button = el('button', { onclick: () => go(path) }, name(label), (marks.get(path) ?? []).slice(0, 1).map(({ letter }) => mark(letter)));
    if (path === chosen) button.setAttribute('aria-current', 'true');
    buttons.set(path, button);
    return button;
  };
  const list = el('ul', { className: 'tree' });
  let shown = paths;
  const fill = (wanted) => {
    buttons.clear();
    shown = wanted === '' ? paths : paths.filter((path) => name(path).toLowerCase().includes(wanted));
    if (wanted === '') list.replaceChildren(...tree(paths, leaf, { open: paths.length <= OPEN_ALL, changed }));
    else list.replaceChildren(...shown.slice(0, MOST_FOUND).map((path) => el('li', {}, leaf(path, path))));
    if (wanted !== '' && shown.length > MOST_FOUND) list.append(el('li', { className: 'quiet' }, `and ${plural(shown.length - MOST_FOUND, 'file')} more`));
  };
  const filter = el('input', {
    type: 'search', className: 'by-name', placeholder: 'Filter files (t)', 'aria-label': 'Filter files', oninput: () => fill(filter.value.trim().toLowerCase()),
    onkeydown: (event) => event.key === 'Enter' && shown.length > 0 && (filter.blur(), go(shown[0])),
  });
  let timer = null;
  let round = 0;
  const look = () => {
    const mine = ++round;
    const wanted = content.value;
    if (wanted.length < 2) right.replaceChildren(el('p', { className: 'quiet' }, 'Two letters or more.'));
    else search(snapshot, about.number, wanted, right, () => mine !== round);
  };
  const content = el('input', {
    type: 'search', className: 'by-content', placeholder: 'Search contents (/)', 'aria-label': 'Search contents',
    oninput() {
      clearTimeout(timer);
      timer = setTimeout(look, SEARCH_AFTER_MS);
    },
  });
  fill('');
  const step = (by) => {
    const at = shown.indexOf(chosen);
    const next = shown[Math.max(0, Math.min(shown.length - 1, at < 0 ? 0 : at + by))];
    if (next !== undefined) go(next);
  };
  const first = paths.find((path) => marks.has(path)) ?? paths.find((path) => /^readme/i.test(path)) ?? paths[0];
  return {
    nodes: [el('aside', { 'aria-label': 'Files' }, filter, content, list), right],
    show({ path, lines }) {
      round += 1;
      if (path !== null) show(path, lines);
      else if (chosen === null) show(first);
    },
    keys: [
      { key: 't', what: 'go to a file by its name', run: () => filter.focus() },
      { key: '/', what: 'search the contents of all files', run: () => content.focus() },
      { key: 'j', what: 'the next file', run: () => step(1) },
      { key: 'k', what: 'the file before', run: () => step(-1) },
    ],
  };
}
