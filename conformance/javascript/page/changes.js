// The uncommitted diff, file by file.
import { structuredPatch } from 'diff';
import { flatMode } from '../src/json.js';
import { el, name, plural, textOf, visible } from './dom.js';
import { mark } from './overview.js';

const OPEN = 30;
const MOST_LINES = 4_000;
const MOST_TEXT = 2_000_000;
const TIMEOUT_MS = 1_000;

const VIEWS = [
  ['all', 'All', 'head', 'worktree', () => true],
  ['staged', 'Staged', 'head', 'index', (what) => what === 'staged'],
  ['unstaged', 'Not staged', 'index', 'worktree', (what) => what !== 'staged'],
];

// As git writes it: what has no lines stands behind the line before.
const place = (start, count) => `${count === 0 ? start - 1 : start},${count}`;

function lines({ hunks }) {
  const rows = [];
  for (const { oldStart, newStart, oldLines, newLines, lines: texts } of hunks) {
    let [old, now] = [oldStart, newStart];
    rows.push(el('tr', { className: 'hunk' }, el('td', {}), el('td', {}), el('td', {}, `@@ \u2212${place(oldStart, oldLines)} +${place(newStart, newLines)} @@`)));
    for (const text of texts) {
      const sign = text[0];
      const kind = { '+': 'added', '-': 'removed', ' ': '' }[sign] ?? 'quiet';
      rows.push(el('tr', { className: kind }, el('td', {}, sign === ' ' || sign === '-' ? String(old) : ''), el('td', {}, sign === ' ' || sign === '+' ? String(now) : ''),
        el('td', {}, sign === '\\' ? text : visible(text))));
      if (sign === ' ' || sign === '-') old += 1;
      if (sign === ' ' || sign === '+') now += 1;
      if (rows.length > MOST_LINES) return [...rows, el('tr', { className: 'quiet' }, el('td', {}), el('td', {}), el('td', {}, 'and more'))];
    }
  }
  return rows;
}

/** {rows, note, plus, minus} */
function compare(snapshot, old, now) {
  const [before, after] = [snapshot.bytes(old), snapshot.bytes(now)];
  const notes = [];
  if (old && now && old.mode !== now.mode) notes.push(`mode ${flatMode(old.mode)} \u2192 ${flatMode(now.mode)}`);
  if (old && now && old.oid === now.oid) return { rows: [], note: notes.join(', ') || 'the same content' };
  if (before === null || after === null) return { rows: [], note: 'the content is not in the container' };
  const [left, right] = [textOf(before), textOf(after)];
  if (left === null || right === null) return { rows: [], note: [...notes, old && now ? `binary, ${before.length} \u2192 ${after.length} bytes` : `binary, ${before.length + after.length} bytes`].join(', ') };
  if (left.text.length + right.text.length > MOST_TEXT) return { rows: [], note: [...notes, 'too long to compare here'].join(', ') };
  const patch = structuredPatch('', '', left.text, right.text, '', '', { context: 3, timeout: TIMEOUT_MS });
  if (patch === undefined) return { rows: [], note: [...notes, 'too different to compare here'].join(', ') };
  const count = (sign) => patch.hunks.reduce((sum, hunk) => sum + hunk.lines.filter((text) => text[0] === sign).length, 0);
  return { rows: lines(patch), note: notes.join(', '), plus: count('+'), minus: count('-') };
}

function file(snapshot, path, marks, old, now, open) {
  const counts = el('span', { className: 'counts' });
  const body = el('div', { className: 'diff' });
  let done = false;
  const fill = () => {
    if (done) return;
    done = true;
    const { rows, note, plus, minus } = compare(snapshot, old, now);
    if (plus !== undefined) counts.append(el('span', { className: 'plus' }, `+${plus}`), ' ', el('span', { className: 'minus' }, `\u2212${minus}`));
    if (note) body.append(el('p', { className: 'quiet' }, note));
    if (rows.length > 0) body.append(el('table', {}, el('tbody', {}, rows)));
    else if (!note) body.append(el('p', { className: 'quiet' }, 'empty'));
  };
  const details = el('details', { className: 'card', ontoggle: fill }, el('summary', {},
    el('strong', {}, name(path)), marks.map(({ letter, what }) => el('span', { className: 'tag' }, mark(letter), ` ${what}`)), counts), body);
  if (open) {
    fill();
    details.open = true;
  }
  return details;
}

export function changes(snapshot) {
  const { marks } = snapshot;
  if (snapshot.partial) return el('p', { className: 'empty' }, 'A thin container: not all of its trees are in it.');
  if (marks.size === 0) return el('p', { className: 'empty' }, 'Nothing is uncommitted: the code is that of the commit.');
  const out = el('div', { className: 'diffs' });
  const buttons = [];
  const choose = ([id, , from, to, wanted]) => {
    const shown = [...marks].map(([path, list]) => [path, list.filter(({ what }) => wanted(what))]).filter(([, list]) => list.length > 0);
    for (const button of buttons) button.setAttribute('aria-pressed', String(button.value === id));
    out.replaceChildren(...shown.map(([path, list], i) => file(snapshot, path, list, snapshot[from].get(path), snapshot[to].get(path), i < OPEN)));
    if (shown.length === 0) out.append(el('p', { className: 'empty' }, 'None.'));
  };
  for (const view of VIEWS) buttons.push(el('button', { value: view[0], onclick: () => choose(view) }, view[1]));
  choose(VIEWS[0]);
  return [el('div', { className: 'choice', role: 'group', 'aria-label': 'Which changes' }, buttons, el('span', { className: 'quiet' }, plural(marks.size, 'path'))), out];
}
