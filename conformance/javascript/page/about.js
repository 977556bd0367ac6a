// The environment, what was left out, the report of the verifier.
import { hex } from '../src/bytes.js';
import { json } from '../src/json.js';
import { card, el, facts, line, name, plural, size, table } from './dom.js';

const MOST = 2_000;

const plain = (value) => (typeof value === 'string' ? line(value) : el('code', {}, line(json(value)).slice(0, 4_000)));

const isPackage = (entry) => Array.isArray(entry) && entry.length === 3 && typeof entry[0] === 'string' && typeof entry[1] === 'string';

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
};

function paths(title, why, list) {
  if (list.length === 0) return null;
  const rows = list.slice(0, MOST).map((path) => el('li', {}, name(path)));
  if (list.length > MOST) rows.push(el('li', { className: 'quiet' }, `and ${list.length - MOST} more`));
  return card(`${title} (${list.length.toLocaleString('en')})`, el('p', { className: 'quiet' }, why), el('ul', { className: 'paths' }, rows));
}

export function leftOut(snapshot) {
  const { omitted, manifest } = snapshot;
  const cards = [
    omitted.length === 0 ? null : card(`Not in the container (${omitted.length.toLocaleString('en')})`,
      el('p', { className: 'quiet' }, 'They were there, and were left out; the SHA-256 tells them again.'),
      table('omitted', ['Path', 'Why', 'Size', 'SHA-256'], omitted.slice(0, MOST).map((it) => [
        name(it.path), REASONS[it.reason], it.size === null ? '' : size(it.size), it.sha256 === null ? '' : el('code', { className: 'id', title: hex(it.sha256) }, hex(it.sha256).slice(0, 16)),
      ]))),
    paths('Ignored', 'git ignores them, or they carry a snapshot themselves.', manifest.ignored),
    paths('Kept in git\u2019s form', 'Files under a filter (LFS, git-crypt): the snapshot has what git stores, not the bytes on disk.', snapshot.filtered),
    paths('Converted', 'Unmodified for git though their bytes differ (line ends, encodings): the snapshot has the bytes on disk.', snapshot.converted),
    paths('Empty directories', 'git does not know them; they are in the snapshot.', snapshot.emptyDirectories),
    manifest.history.missing.length === 0 ? null : card('Missing objects', el('p', {}, `The repository itself did not have ${plural(manifest.history.missing.length, 'object')}: a partial clone.`)),
  ].filter(Boolean);
  return cards.length > 0 ? cards : [el('p', { className: 'empty' }, 'Nothing was left out.')];
}

export function verification({ container }, checks, fault) {
  if (fault) {
    return [card(null, el('h2', { className: 'bad' }, '\u2717 This container is damaged or not as the format says'),
      facts([['Class', el('code', {}, fault.class ?? 'error')], ['Requirement', fault.requirement], ['Found', line(String(fault.message))]]))];
  }
  return [
    card(null, el('h2', { className: 'good' }, '\u2713 Everything that can be checked is right'),
      table('checks', null, checks.map(({ name: what, detail }) => ['\u2713', what, detail])),
      facts([['Snapshot', el('code', { className: 'id' }, container.snapshotId)], ['Digest', el('code', { className: 'id' }, container.digest)]])),
    el('p', { className: 'quiet' }, 'This tells damage, not who made it: whoever can rewrite the file can rewrite the digest. Compare it with one that came another way.'),
  ];
}
