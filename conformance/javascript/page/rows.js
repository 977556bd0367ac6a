// Checkpoints of a table: what is known of each by a name, conditions over it, and an order.

export const FACTS = ['file', 'time', 'branch', 'commit', 'code'];
const MORE = { host: 'host', note: 'note', subject: 'subject', since: 'since' };

const branchOf = (row) => (row.commit == null && row.ref == null ? '' : row.ref == null ? 'detached' : row.ref.replace(/^refs\/heads\//, ''));

/** When, in UTC, as text. */
export function timeText(seconds) {
  const date = new Date(Number(seconds) * 1000);
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().slice(0, 19).replace('T', ' ');
}

/** A change of the code since the checkpoint before, on one line. */
export function changeText(row) {
  const edits = row.edits ?? [];
  if (edits.length === 0) return '';
  const small = edits.every(({ text }) => text !== null) && row.more_edits === 0 ? edits.map(({ text, path }) => `${text} (${path})`).join(', ') : null;
  if (small !== null && small.length <= 100) return small;
  const more = edits.length - 3 + row.more_edits;
  return edits.slice(0, 3).map(({ change, path, counts }) => `${change} ${path} ${counts}`.trim()).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** By which keys a checkpoint says to be signed; what cannot be read of a signature is said. */
const signedText = ({ signatures = [], more_signatures: more = 0 }) => signatures.map(({ fingerprint, detail }) => fingerprint ?? detail).join(', ') + (more > 0 ? ` and ${more} more` : '');

const LABEL = 'label:';

/** The column of a label, whatever it is called. */
export const columnOf = (label) => LABEL + label;

/** The label of a column; null where it is a fact's. */
export const labelUnder = (column) => (column.startsWith(LABEL) ? column.slice(LABEL.length) : null);

const labelOf = (row, name) => (row.labels && Object.hasOwn(row.labels, name) ? row.labels[name] : null);

/** What is known of every checkpoint, as text; null for nothing. */
function factOf(row, name) {
  switch (name) {
    case 'file': return row.file;
    case 'time': return row.time == null ? null : timeText(row.time);
    case 'branch': return branchOf(row);
    case 'commit': return row.commit == null ? (row.snapshot_id ? 'no commit' : null) : row.commit.slice(0, 10) + (row.dirty ? '+' : '');
    case 'code': return row.snapshot_id ? row.snapshot_id.slice(0, 12) : null;
    case 'run': return row.run ? row.run.id.slice(0, 8) : null;
    case 'signed': return signedText(row) || null;
    case 'changed': return changeText(row) || null;
    default: return Object.hasOwn(MORE, name) ? row[MORE[name]] ?? null : null;
  }
}

/** What stands in a column, as text; null for nothing. */
export const cellOf = (row, column) => (labelUnder(column) === null ? factOf(row, column) : labelOf(row, labelUnder(column)));

/** What a checkpoint has under a name, as text; null for nothing. Labels go before, as in `jelly log --where`. */
export const valueOf = (row, name) => labelOf(row, name) ?? factOf(row, name);

/** A number, where all of the text is one; else null. */
export function numberOf(text) {
  if (text === null || !/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

const COMPARED = {
  '<': (order) => order < 0, '<=': (order) => order <= 0, '>': (order) => order > 0, '>=': (order) => order >= 0, '=': (order) => order === 0, '!=': (order) => order !== 0,
};

function compared(one, other) {
  const [a, b] = [numberOf(one), numberOf(other)];
  if (a !== null && b !== null) return a - b;
  return one < other ? -1 : one > other ? 1 : 0;
}

/** What a checkpoint has to be: words, and conditions such as `loss<0.2`, `branch=main`, `note~wider`, all of them. */
export function filterOf(text) {
  const tests = (text.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', '')).map((word) => {
    const [, name, how, wanted] = /^([^<>=!~]+)(<=|>=|!=|=|<|>|~)(.*)$/s.exec(word) ?? [];
    if (name === undefined || wanted === '') {
      const part = word.toLowerCase();
      return (row) => [...FACTS, 'note', 'changed'].map((it) => factOf(row, it)).concat(Object.entries(row.labels ?? {}).map(([key, value]) => `${key}=${value}`))
        .some((value) => value !== null && value.toLowerCase().includes(part));
    }
    return (row) => {
      const value = valueOf(row, name);
      if (value === null) return false;
      return how === '~' ? value.toLowerCase().includes(wanted.toLowerCase()) : COMPARED[how](compared(value, wanted));
    };
  });
  return (row) => tests.every((test) => test(row));
}

/** Numbers of rows in the order of a column; what has nothing under it comes last. */
export function sorted(numbers, rows, column, isDown) {
  const keyed = numbers.map((number) => ({ number, value: column === 'time' ? rows[number].time ?? null : cellOf(rows[number], column) }));
  const order = (one, other) => (typeof one === 'number' ? one - other : compared(one, other));
  keyed.sort((a, b) => (a.value === null || b.value === null ? (a.value === null) - (b.value === null) : (isDown ? -1 : 1) * order(a.value, b.value)) || a.number - b.number);
  return keyed.map(({ number }) => number);
}

/** The names of labels by how many checkpoints have them, and those that are the same in all. */
export function labelsOf(rows) {
  const found = new Map();
  for (const { labels } of rows) {
    for (const [name, value] of Object.entries(labels ?? {})) {
      const known = found.get(name) ?? { count: 0, values: new Set(), numbers: 0 };
      known.count += 1;
      known.numbers += numberOf(value) !== null;
      if (known.values.size < 2) known.values.add(value);
      found.set(name, known);
    }
  }
  const isSame = ({ count, values }) => rows.length > 1 && count === rows.length && values.size === 1;
  const names = [...found.keys()];
  return {
    names,
    differing: names.filter((name) => !isSame(found.get(name))),
    same: names.filter((name) => isSame(found.get(name))).map((name) => [name, [...found.get(name).values][0]]),
    numeric: names.filter((name) => found.get(name).numbers >= 2),
  };
}

/** A class of colour for each code, in the order in which they come: equal ones have the same. */
export function coloursOf(rows) {
  const found = new Map();
  for (const { snapshot_id: code } of rows) if (code && !found.has(code)) found.set(code, `c${found.size % 8}`);
  return (row) => found.get(row.snapshot_id) ?? 'c-none';
}
