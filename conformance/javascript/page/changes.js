// Changes, file by file, with an index of the files: what is uncommitted, or how two checkpoints differ.
import { flatMode } from '../src/json.js';
import { el, name, plural, textOf } from './dom.js';
import { patchOf, rowsOf } from './lines.js';
import { mark } from './overview.js';
import { withRenames } from './renames.js';
import { tree } from './tree.js';

const OPEN = 30;
const MOST = 2_000;
const OPEN_INDEX = 60;
const MOST_MS = 2_000; // for the files that are open at first, and for each that is opened later

/** {hunks, note, plus, minus} */
function compare({ from, old, now }, before, after, until) {
  const notes = from === undefined ? [] : [`renamed from ${name(from)}`];
  if (old && now && old.mode !== now.mode) notes.push(`mode ${flatMode(old.mode)} \u2192 ${flatMode(now.mode)}`);
  const said = (more) => ({ hunks: [], note: [...notes, more].filter(Boolean).join(', ') });
  if (old && now && old.oid === now.oid) return said(notes.length ? null : 'the same content');
  if (before === null || after === null) return said('the content is not in the container');
  const [left, right] = [textOf(before), textOf(after)];
  if (left === null || right === null) return said(old && now ? `binary, ${before.length} \u2192 ${after.length} bytes` : `binary, ${before.length + after.length} bytes`);
  const { hunks, note } = patchOf(left.text, right.text, until);
  return note ? said(note) : { hunks, note: notes.join(', ') };
}

const columns = () => el('colgroup', {}, ['number', '', 'number', ''].map((className) => el('col', { className })));

/** The changes of files as cards. `read` gives the bytes of each side: [old, now]. */
export class Changes {
  constructor(entries, oldBytes, newBytes, { isBeside = false } = {}) {
    this.isBeside = isBeside;
    this.read = { old: oldBytes, now: newBytes };
    this.out = el('div', { className: 'diffs' });
    this.index = el('ul', { className: 'tree' });
    this.said = el('span', { className: 'quiet' });
    this.form = el('button', { className: 'plain', 'aria-pressed': String(isBeside), onclick: () => this.turn() }, 'Side by side');
    this.show(entries);
  }

  get controls() {
    const fold = (open) => () => this.cards.forEach((card) => { card.open = open; });
    return [this.said, this.form, el('button', { className: 'plain', onclick: fold(false) }, 'Fold all'), el('button', { className: 'plain', onclick: fold(true) }, 'Unfold all')];
  }

  get nodes() {
    return el('div', { className: 'changed-files' }, el('aside', { 'aria-label': 'Files that changed' }, this.index), this.out);
  }

  show(entries) {
    this.entries = withRenames(entries, this.read.old, this.read.now);
    this.fill();
  }

  turn() {
    this.isBeside = !this.isBeside;
    this.form.setAttribute('aria-pressed', String(this.isBeside));
    this.fill();
  }

  fill() {
    const shown = this.entries.slice(0, MOST);
    const until = performance.now() + MOST_MS;
    this.cards = shown.map((entry, i) => this.card(entry, i < OPEN ? until : null));
    this.out.replaceChildren(...this.cards);
    if (shown.length === 0) this.out.append(el('p', { className: 'empty' }, 'None.'));
    if (this.entries.length > MOST) this.out.append(el('p', { className: 'empty' }, `and ${plural(this.entries.length - MOST, 'file')} more: use jelly diff`));
    const byPath = new Map(shown.map((entry, i) => [entry.path, i]));
    const leaf = (path, label) => el('button', { onclick: () => this.go(byPath.get(path)) }, name(label),
      this.entries[byPath.get(path)].marks.slice(0, 1).map(({ letter }) => mark(letter)));
    this.index.replaceChildren(...tree([...byPath.keys()], leaf, { open: shown.length <= OPEN_INDEX }));
    this.said.textContent = plural(this.entries.length, 'file');
    this.at = -1;
  }

  go(at) {
    const card = this.cards[at];
    if (!card) return;
    this.at = at;
    card.open = true;
    const summary = card.querySelector('summary');
    summary.focus({ preventScroll: true });
    card.scrollIntoView({ block: 'start' });
  }

  get keys() {
    return [
      { key: 'j', what: 'the next file', run: () => this.go(Math.min(this.cards.length - 1, this.at + 1)) },
      { key: 'k', what: 'the file before', run: () => this.go(Math.max(0, this.at - 1)) },
      { key: 's', what: 'side by side, or below each other', run: () => this.turn() },
    ];
  }

  /** `until`: the time to end at, of a card that is open at first. */
  card(entry, until) {
    const counts = el('span', { className: 'counts' });
    const body = el('div', { className: 'diff', tabIndex: 0, role: 'region', 'aria-label': `changes of ${name(entry.path)}` });
    let done = false;
    const fill = (end) => {
      if (done) return;
      done = true;
      const side = (it, get) => (it ? get(it) : new Uint8Array());
      const { hunks, note } = compare(entry, side(entry.old, this.read.old), side(entry.now, this.read.now), end);
      const { rows, plus, minus } = rowsOf(hunks, this.isBeside, end);
      if (rows.length > 0) counts.append(el('span', { className: 'plus' }, `+${plus}`), ' ', el('span', { className: 'minus' }, `\u2212${minus}`));
      if (note) body.append(el('p', { className: 'quiet' }, note));
      if (rows.length > 0) body.append(el('table', { className: this.isBeside ? 'beside' : 'below' }, this.isBeside ? columns() : null, el('tbody', {}, rows)));
      else if (!note) body.append(el('p', { className: 'quiet' }, 'empty'));
    };
    const details = el('details', { className: 'card', ontoggle: () => details.open && fill(performance.now() + MOST_MS) }, el('summary', {},
      el('strong', {}, entry.from === undefined ? name(entry.path) : `${name(entry.from)} \u2192 ${name(entry.path)}`),
      entry.marks.map(({ letter, what }) => el('span', { className: 'tag' }, mark(letter), ` ${what}`)), counts), body);
    if (until !== null) {
      fill(until);
      details.open = true;
    }
    return details;
  }
}

const VIEWS = [
  ['all', 'All', 'head', 'worktree', () => true],
  ['staged', 'Staged', 'head', 'index', (what) => what === 'staged'],
  ['unstaged', 'Not staged', 'index', 'worktree', (what) => what !== 'staged'],
];

/** {nodes, show, keys} of what is uncommitted in a snapshot. */
export function uncommitted(snapshot) {
  const { marks } = snapshot;
  const empty = (text) => ({ nodes: el('p', { className: 'empty' }, text), show() {}, keys: [] });
  if (marks.size === 0) return empty('Nothing is uncommitted: the code is that of the commit.');
  if (snapshot.fault) return empty('The files cannot be read: see Verify. Which ones changed, the overview says.');
  if (snapshot.partial) return empty('A thin container: not all of its trees are in it.');
  const bytes = (entry) => snapshot.bytes(entry);
  const entriesOf = ([, , from, to, wanted]) => [...marks].map(([path, list]) => ({ path, marks: list.filter(({ what }) => wanted(what)), old: snapshot[from].get(path), now: snapshot[to].get(path) }))
    .filter((entry) => entry.marks.length > 0);
  const changes = new Changes(entriesOf(VIEWS[0]), bytes, bytes);
  const buttons = [];
  const choose = (view) => {
    for (const button of buttons) button.setAttribute('aria-pressed', String(button.value === view[0]));
    changes.show(entriesOf(view));
  };
  for (const view of VIEWS) buttons.push(el('button', { value: view[0], 'aria-pressed': String(view[0] === 'all'), onclick: () => choose(view) }, view[1]));
  return { nodes: [el('div', { className: 'choice', role: 'group', 'aria-label': 'Which changes' }, buttons, changes.controls), changes.nodes], show() {}, keys: changes.keys };
}
