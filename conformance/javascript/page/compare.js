// Two checkpoints side by side: their code, their environments, what is said of them.
import { hex, hexOf } from '../src/bytes.js';
import { json } from '../src/json.js';
import { SUBMODULE } from '../src/objects.js';
import { Changes } from './changes.js';
import { explained } from './damage.js';
import { el, fileName, line, name, size, time } from './dom.js';
import { helpButton, use } from './keys.js';
import { place } from './overview.js';
import { compareAt, tabAt } from './route.js';
import { copied, quoted } from './shell.js';
import { tabs } from './tabs.js';

const MOST = 3_000;

/** Files that are in neither, since they were left out of one: nobody knows whether they differ. */
function unknown(both) {
  const paths = new Set(both.flatMap(({ snapshot }) => snapshot.omitted.map(({ path }) => path)));
  const directories = [...paths].filter((path) => path.endsWith('/'));
  return { count: paths.size, holds: (path) => paths.has(path) || directories.some((it) => path.startsWith(it)) };
}

function code(both) {
  const plain = (nodes) => ({ nodes, show() {}, keys: [] });
  const faulty = both.find(({ snapshot }) => snapshot.fault);
  if (faulty) return plain(explained(faulty.snapshot.fault, faulty.about.file));
  if (both.some(({ snapshot }) => snapshot.partial)) return plain(el('p', { className: 'empty' }, 'A thin container: not all of its trees are in it.'));
  const [one, other] = both.map(({ snapshot }) => snapshot);
  const left = unknown(both);
  const entries = [];
  for (const path of [...new Set([...one.files.keys(), ...other.files.keys()])].sort()) {
    // of a nested repository the files are compared, not the commit
    const [old, now] = [one.files.get(path), other.files.get(path)].map((entry) => (entry?.mode === SUBMODULE ? undefined : entry));
    if ((!old && !now) || left.holds(path) || (old && now && old.oid === now.oid && old.mode === now.mode)) continue;
    const letter = !old ? 'A' : !now ? 'D' : 'M';
    entries.push({ path, old, now, marks: [{ letter, what: { A: 'added', D: 'deleted', M: 'modified' }[letter] }] });
  }
  const changes = new Changes(entries, (entry) => one.bytes(entry), (entry) => other.bytes(entry), { isBeside: true });
  const command = ['jelly', 'diff', ...both.map(({ about }) => quoted(about.file.startsWith('-') ? `./${about.file}` : about.file))].join(' ');
  return {
    nodes: [
      el('div', { className: 'choice' }, changes.controls), left.count ? el('p', { className: 'quiet' }, `Not compared, since left out of a snapshot: ${left.count} paths.`) : null,
      entries.length ? changes.nodes : el('p', { className: 'empty' }, one.container.snapshotId === other.container.snapshotId ? 'The same code: the snapshots are equal.' : 'The same files.'), copied(command),
    ].filter(Boolean),
    show() {},
    keys: changes.keys,
  };
}

/** Rows {key, values}, those that differ in front. */
function sides(className, both, rows, heads = null) {
  const shown = [...rows].sort((a, b) => (a.values[0] === a.values[1]) - (b.values[0] === b.values[1]));
  const rest = shown.length - MOST;
  return el('div', { className: 'scrolled card', tabIndex: 0, role: 'region', 'aria-label': 'Both checkpoints' }, el('table', { className: `sides ${className}` },
    el('thead', {}, el('tr', {}, el('td', {}), (heads ?? both.map(({ about }) => fileName(about.file))).map((text) => el('th', { scope: 'col' }, text)))),
    el('tbody', {}, shown.slice(0, MOST).map(({ key, values }) => el('tr', { className: values[0] === values[1] ? 'same' : 'differs' }, el('th', { scope: 'row' }, key),
      values.map((value) => el('td', {}, value ?? el('span', { className: 'quiet' }, '\u2013'))))))),
  rest > 0 ? el('p', { className: 'quiet' }, `and ${rest} rows more`) : null);
}

const text = (value) => (typeof value === 'string' ? line(value) : line(json(value)).slice(0, 2_000));

function environments(both) {
  const found = both.map(({ snapshot }) => snapshot.manifest.environment);
  const packages = found.map((it) => new Map((Array.isArray(it.get('packages')) ? it.get('packages') : []).filter(Array.isArray).map(([key, version]) => [text(key), text(version)])));
  const keys = (maps) => [...new Set(maps.flatMap((it) => [...it.keys()]))];
  const facts = keys(found).filter((key) => key !== 'packages').map((key) => ({ key: line(key), values: found.map((it) => (it.has(key) ? text(it.get(key)) : null)) }));
  const versions = keys(packages).sort().map((key) => ({ key, values: packages.map((it) => it.get(key) ?? null) }));
  const arguments_ = { key: 'command', values: both.map(({ snapshot }) => snapshot.manifest.provenance.argv.map(name).join(' ') || null) };
  const differing = versions.filter(({ values }) => values[0] !== values[1]);
  return [
    sides('environment', both, [arguments_, ...facts]),
    el('h2', {}, differing.length ? `Packages: ${differing.length} of ${versions.length} differ` : `Packages: all ${versions.length} are the same`),
    versions.length ? sides('packages', both, versions) : null,
  ].filter(Boolean);
}

function said(both) {
  const commitOf = ({ snapshot }) => snapshot.manifest.state.head.commit;
  const fact = (key, get) => ({ key, values: both.map((it) => get(it) || null) });
  const labels = both.map(({ snapshot }) => new Map(snapshot.said.labels.map(([key, value]) => [line(key), line(value)])));
  const names = [...new Set(labels.flatMap((it) => [...it.keys()]))];
  return [
    sides('labels', both, [...names.map((key) => ({ key, values: labels.map((it) => it.get(key) ?? null) })), fact('note', ({ snapshot }) => snapshot.said.note && line(snapshot.said.note))].filter(({ values }) => values.some((it) => it !== null))),
    sides('facts', both, [
      fact('captured', ({ snapshot }) => time(snapshot.manifest.provenance.time, snapshot.manifest.provenance.zone)),
      fact('branch and commit', ({ snapshot }) => place(snapshot)),
      fact('commit', (it) => commitOf(it) && hexOf(commitOf(it))),
      fact('message', ({ snapshot }) => snapshot.commit && line(snapshot.commit.subject)),
      fact('uncommitted changes', ({ snapshot }) => String(snapshot.uncommitted)),
      fact('files', ({ snapshot }) => `${snapshot.manifest.summary.files}, ${size(snapshot.manifest.summary.size)}`),
      fact('snapshot', ({ snapshot }) => snapshot.container.snapshotId),
      fact('digest', ({ snapshot }) => hex(snapshot.container.header.digest)),
      fact('by', ({ snapshot }) => line(snapshot.manifest.provenance.tool)),
    ]),
  ];
}

/**
 * {nodes, show}: the page of two checkpoints.
 * @param both two of {snapshot, about}
 * @param numbers theirs, in the table
 */
export function comparison(both, numbers, back) {
  const plain = (nodes) => ({ nodes, show() {}, keys: [] });
  const go = (tab) => { location.hash = compareAt(...numbers, tab); };
  const parts = [
    { id: 'code', label: 'Code', make: () => code(both) },
    { id: 'environment', label: 'Environment', make: () => plain(environments(both)) },
    { id: 'labels', label: 'Labels and facts', make: () => plain(said(both)) },
  ];
  const { bar, panels, show } = tabs(parts, go);
  const common = [
    ...parts.map(({ id, label }, i) => ({ key: String(i + 1), what: label, run: () => go(id) })),
    { key: 'r', what: 'the other way round', run: () => { location.hash = compareAt(numbers[1], numbers[0]); } },
    { key: 'u', also: ['Escape'], what: 'back to the table', run: () => { location.hash = back; } },
  ];
  return {
    nodes: [
      el('header', {}, el('div', { className: 'top' }, el('a', { href: back, className: 'badge' }, '\u2190 all'),
        el('h1', {}, both.map(({ about }, i) => [i === 0 ? '' : ' \u2194 ', el('a', { href: tabAt(numbers[i], 'overview') }, fileName(about.file))])), helpButton()), bar),
      el('main', {}, panels),
    ],
    show(route) {
      use([...show(route.tab, route), ...common]);
    },
  };
}
