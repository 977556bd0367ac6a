// The difference of two texts as rows: below each other or side by side, with the words that changed.
import { diffArrays, structuredPatch } from 'diff';
import { el, visible } from './dom.js';

const MOST_LINES = 4_000;
const MOST_TEXT = 2_000_000;
const LONGEST_FOR_WORDS = 1_000;

// A number is one word.
const WORD = /[\p{L}\p{N}_.+-]+|\s+|./gsu;

// As git writes it: what has no lines stands behind the line before.
const place = (start, count) => `${count === 0 ? start - 1 : start},${count}`;

/** {hunks}, or {note} that says why there are none; `until` is the time (of performance.now) to end at. */
export function patchOf(left, right, until) {
  if (left.length + right.length > MOST_TEXT) return { note: 'too long to compare here' };
  const patch = structuredPatch('', '', left, right, '', '', { context: 3, timeout: Math.max(20, until - performance.now()) });
  return patch === undefined ? { note: 'too different to compare here' } : { hunks: patch.hunks };
}

/** The lines of a hunk as {old, now}: each {number, text, note} or null; what was changed stands beside what it became. */
function paired({ oldStart, newStart, lines }) {
  const rows = [];
  let [old, now] = [oldStart, newStart];
  let [removed, added] = [[], []];
  const flush = () => {
    for (let i = 0; i < Math.max(removed.length, added.length); i++) rows.push({ old: removed[i] ?? null, now: added[i] ?? null, changed: true });
    [removed, added] = [[], []];
  };
  for (const text of lines) {
    if (text[0] === '-') removed.push({ number: old++, text: text.slice(1) });
    else if (text[0] === '+') added.push({ number: now++, text: text.slice(1) });
    else if (text[0] === '\\') (added.at(-1) ?? removed.at(-1) ?? {}).note = text.slice(2);
    else {
      flush();
      rows.push({ old: { number: old++, text: text.slice(1) }, now: { number: now++, text: text.slice(1) }, changed: false });
    }
  }
  flush();
  return rows;
}

/** Nodes for both sides of a changed line. */
function words(old, now, until) {
  const plain = [old && [visible(old.text)], now && [visible(now.text)]];
  if (!old || !now || performance.now() > until || old.text.length > LONGEST_FOR_WORDS || now.text.length > LONGEST_FOR_WORDS) return plain;
  const parts = diffArrays(old.text.match(WORD) ?? [], now.text.match(WORD) ?? [], { timeout: 50 })?.map(({ added, removed, value }) => ({ added, removed, value: value.join('') }));
  if (parts === undefined) return plain;
  const same = parts.filter((it) => !it.added && !it.removed).reduce((sum, { value }) => sum + value.trim().length, 0);
  if (same * 4 < Math.min(old.text.trim().length, now.text.trim().length)) return plain; // another line altogether
  const side = (other, tag) => parts.filter((it) => !it[other]).map((it) => (it.added || it.removed ? el(tag, {}, visible(it.value)) : visible(it.value)));
  return [side('added', 'del'), side('removed', 'ins')];
}

const cell = (sign, text, note) => el('td', {}, el('span', { className: 'sign' }, sign), text, note ? el('span', { className: 'quiet' }, ` \u2298 ${note}`) : null);
const number = (it) => el('td', { className: 'number' }, it ? String(it.number) : '');

function unified(rows, until) {
  const out = [];
  let [removed, added] = [[], []];
  const flush = () => {
    out.push(...removed, ...added);
    [removed, added] = [[], []];
  };
  for (const { old, now, changed } of rows) {
    if (!changed) {
      flush();
      out.push(el('tr', {}, number(old), number(now), cell(' ', visible(old.text), now.note ?? old.note)));
      continue;
    }
    const [before, after] = words(old, now, until);
    if (old) removed.push(el('tr', { className: 'removed' }, number(old), number(null), cell('-', before, old.note)));
    if (now) added.push(el('tr', { className: 'added' }, number(null), number(now), cell('+', after, now.note)));
  }
  flush();
  return out;
}

const beside = (rows, until) => rows.map(({ old, now, changed }) => {
  const [before, after] = changed ? words(old, now, until) : [visible(old.text), visible(now.text)];
  const side = (it, sign, text, kind) => [el('td', { className: `number ${it === null ? 'nothing' : changed ? kind : ''}` }, it ? String(it.number) : ''),
    it ? el('td', { className: changed ? kind : '' }, el('span', { className: 'sign' }, changed ? sign : ' '), text, it.note ? el('span', { className: 'quiet' }, ` \u2298 ${it.note}`) : null) : el('td', { className: 'nothing' })];
  return el('tr', {}, side(old, '-', before, 'removed'), side(now, '+', after, 'added'));
});

/** {rows, plus, minus} of hunks, `isBeside` in two columns; after `until` words are not compared any more. */
export function rowsOf(hunks, isBeside, until) {
  const rows = [];
  let [plus, minus] = [0, 0];
  for (const hunk of hunks) {
    for (const text of hunk.lines) {
      if (text[0] === '+') plus += 1;
      else if (text[0] === '-') minus += 1;
    }
    if (rows.length > MOST_LINES) continue;
    const head = `@@ \u2212${place(hunk.oldStart, hunk.oldLines)} +${place(hunk.newStart, hunk.newLines)} @@`;
    rows.push(el('tr', { className: 'hunk' }, el('td', { className: 'number' }), isBeside ? null : el('td', { className: 'number' }), el('td', { colSpan: isBeside ? 3 : 1 }, head)));
    const found = paired(hunk);
    rows.push(...(isBeside ? beside : unified)(found.slice(0, MOST_LINES), until));
    if (found.length > MOST_LINES) rows.push(el('tr', { className: 'quiet' }, el('td', { colSpan: 4 }, 'and more')));
  }
  if (rows.length > MOST_LINES) rows.push(el('tr', { className: 'quiet' }, el('td', { colSpan: 4 }, 'further changes are not shown')));
  return { rows, plus, minus };
}
