// The environment, and what was left out.
import { hex } from '../src/bytes.js';
import { json } from '../src/json.js';
import { card, el, facts, line, name, plural, size, table } from './dom.js';

const MOST = 2_000;

const plain = (value) => (typeof value === 'string' ? line(value) : el('code', {}, line(json(value)).slice(0, 4_000)));

const isPackage = (entry) => Array.isArray(entry) && entry.length === 3 && typeof entry[0] === 'string' && typeof entry[1] === 'string';

/** What was noted of interpreter, platform and packages. */
export function environment({ manifest }) {
  const found = manifest.environment;
  if (found.size === 0) return el('p', { className: 'empty' }, 'The environment was not captured.');
  const packages = found.get('packages');
  const tabled = Array.isArray(packages) && packages.every(isPackage);
  const rows = [...found].filter(([key, value]) => !(key === 'packages' && tabled) && !(Array.isArray(value) && value.length === 0)).map(([key, value]) => [line(key).replace(/^./, (c) => c.toUpperCase()),
    Array.isArray(value) && value.length > 0 && value.every((it) => typeof it === 'string') ? el('ul', { className: 'paths' }, value.map((it) => el('li', {}, line(it)))) : plain(value)]);
  const cards = [card('Environment', facts(rows))];
  if (tabled) {
    const lineOf = ([packageName, version, origin]) => [line(packageName), line(version), origin === null ? '' : plain(origin)];
    const body = el('div', {});
    const fill = (wanted) => body.replaceChildren(table('packages', ['Package', 'Version', 'From'],
      packages.filter(([packageName]) => packageName.toLowerCase().includes(wanted)).slice(0, MOST).map(lineOf)));
    const filter = el('input', { type: 'search', placeholder: 'Filter packages', 'aria-label': 'Filter packages', oninput: () => fill(filter.value.trim().toLowerCase()) });
    fill('');
    cards.push(card(plural(packages.length, 'package'), filter, body));
  }
  return cards;
}

const REASONS = {
  size: 'over the size limit', secret: 'looks like a secret', filter: 'behind a filter', missing: 'git does not have its content', unreadable: 'could not be read',
  special: 'no regular file', changing: 'changed while it was read', excluded: 'excluded, as asked for', name: 'a name that cannot be kept safely',
  weights: 'a file of weights', environment: 'an environment of packages', cache: 'a cache', tracker: 'of an experiment tracker', time: 'there was no time to read it',
};

// Others are their authors' own.
const why = (reason) => (Object.hasOwn(REASONS, reason) ? REASONS[reason] : line(reason));

function omissions(title, about, list) {
  if (list.length === 0) return null;
  return card(`${title} (${list.length.toLocaleString('en')})`, el('p', { className: 'quiet' }, about),
    table('omitted', ['Path', 'Why', 'Size', 'SHA-256'], list.slice(0, MOST).map((it) => [
      name(it.path), why(it.reason), it.size === null ? '' : size(it.size), it.sha256 === null ? '' : el('code', { className: 'id', title: hex(it.sha256) }, hex(it.sha256).slice(0, 16)),
    ])));
}

function paths(title, about, list) {
  if (list.length === 0) return null;
  const rows = list.slice(0, MOST).map((path) => el('li', {}, name(path)));
  if (list.length > MOST) rows.push(el('li', { className: 'quiet' }, `and ${list.length - MOST} more`));
  return card(`${title} (${list.length.toLocaleString('en')})`, el('p', { className: 'quiet' }, about), el('ul', { className: 'paths' }, rows));
}

/** What was left out of a snapshot. */
export function leftOut(snapshot) {
  const { omitted, stagedOmitted, manifest } = snapshot;
  const cards = [
    omissions('Not in the container', 'They were there, and were left out; the SHA-256 tells them again.', omitted),
    omissions('Staged and not in the container', 'What was staged of them was left out; the index here has what HEAD has.', stagedOmitted),
    paths('Ignored', 'git ignores them, or they carry a snapshot themselves.', manifest.ignored),
    paths('Kept in git\u2019s form', 'Files under a filter (LFS, git-crypt): the snapshot has what git stores, not the bytes on disk.', snapshot.filtered),
    paths('Converted', 'Unmodified for git though their bytes differ (line ends, encodings): the snapshot has the bytes on disk.', snapshot.converted),
    paths('Empty directories', 'git does not know them; they are in the snapshot.', snapshot.emptyDirectories),
    manifest.history.missing.length === 0 ? null : card('Missing objects', el('p', {}, `The repository itself did not have ${plural(manifest.history.missing.length, 'object')}: a partial clone.`)),
  ].filter(Boolean);
  return cards.length > 0 ? cards : [el('p', { className: 'empty' }, 'Nothing was left out.')];
}
