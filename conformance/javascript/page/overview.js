// The commit, what is uncommitted, where the snapshot comes from.
import { hexOf, hex } from '../src/bytes.js';
import { card, el, facts, line, name, plural, size, time, visible } from './dom.js';

const MOST = 200;

const WHERE = {
  bare: 'a file of its own', locator: 'behind the entries of a zip', entry: 'an entry of a zip', tensor: 'a tensor of bytes', metadata: 'in the metadata', trailer: 'behind the file\u2019s own bytes',
  'user block': 'in front of the file\u2019s own bytes', field: 'a field of the model',
};

const id = (text) => el('code', { className: 'id', title: text }, text);

const MEANING = { A: 'added', D: 'deleted', M: 'modified', T: 'type changed', '?': 'new', U: 'in conflict' };

export const mark = (letter) => el('span', { className: `mark m-${letter === '?' ? 'A' : letter}`, title: MEANING[letter] }, letter);

function commitCard({ commit, manifest }) {
  const { head, operation } = manifest.state;
  const branch = head.ref === null ? 'detached' : name(head.ref).replace(/^refs\/heads\//, '');
  if (commit === null) return card('Commit', el('p', {}, `None yet on ${branch}.`));
  const { author, committer } = commit;
  return card(null, el('h2', { className: 'subject' }, line(commit.subject)),
    commit.body ? el('pre', { className: 'message' }, visible(commit.body)) : null,
    facts([
      ['Commit', id(hexOf(head.commit))],
      ['Branch', branch],
      ['Author', author && `${line(author.who)}, ${time(author.seconds, author.zone)}`],
      ['Committer', committer && committer.who !== author?.who ? `${line(committer.who)}, ${time(committer.seconds, committer.zone)}` : null],
      ['Signature', commit.signed ? 'there is one; it is not checked here' : null],
      ['In progress', operation && `a ${operation.kind}${operation.heads.length ? ` of ${operation.heads.map((oid) => hexOf(oid).slice(0, 10)).join(', ')}` : ''}`],
    ]));
}

function list(title, entries) {
  if (entries.length === 0) return null;
  const rows = entries.slice(0, MOST).map(({ letter, path }) => el('li', {}, mark(letter), ' ', name(path)));
  if (entries.length > MOST) rows.push(el('li', { className: 'quiet' }, `and ${entries.length - MOST} more`));
  return el('div', {}, el('h3', {}, `${title} `, el('span', { className: 'count' }, String(entries.length))), el('ul', { className: 'paths' }, rows));
}

function changesCard({ manifest: { summary } }) {
  const withLetter = (paths, letter) => paths.map((path) => ({ letter, path }));
  const lists = [
    list('In conflict', withLetter(summary.conflicted, 'U')), list('Staged', summary.staged), list('Not staged', summary.unstaged),
    list('Untracked', withLetter(summary.untracked, '?')),
  ].filter(Boolean);
  return card('Uncommitted', lists.length ? el('div', { className: 'columns' }, lists) : el('p', {}, 'Nothing: the code is that of the commit.'));
}

function fromCard({ manifest: { provenance, history, state } }) {
  const { argv, remotes } = provenance;
  return card('Captured', facts([
    ['When', time(provenance.time, provenance.zone)],
    ['By', line(provenance.tool)],
    ['Command', argv.length ? el('code', {}, argv.map(name).join(' ')) : null],
    ...remotes.map(({ name: remote, url }) => [`Remote ${name(remote)}`, el('code', {}, name(url))]),
    ['History', history.prerequisites.length ? 'builds on commits that are not in it'
      : `${plural(history.commits, 'commit')}${history.shallow.length ? ', older ones are not in it' : ''}`],
    ['Nested repositories', state.submodules.length ? el('ul', { className: 'paths' }, state.submodules.map(({ path }) => el('li', {}, name(path)))) : null],
  ]));
}

function fileCard({ container, manifest }, { fileName, fileSize }) {
  const { summary } = manifest;
  return card('File', facts([
    ['Name', line(fileName)],
    ['Size', container.host === 'jelly' ? null : size(fileSize)],
    ['Container', size(container.header.totalLength)],
    ['Where', WHERE[container.form]],
    ['Files', `${summary.files.toLocaleString('en')}, ${size(summary.size)}`],
    ['Snapshot', id(container.snapshotId)],
    ['Digest', id(hex(container.header.digest))],
  ]));
}

/** Branch and commit in a few words. */
export function place({ manifest: { state: { head } } }) {
  const branch = head.ref === null ? 'detached' : name(head.ref).replace(/^refs\/heads\//, '');
  return `${branch} \u00b7 ${head.commit === null ? 'no commit yet' : hexOf(head.commit).slice(0, 10)}`;
}

export function overview(snapshot, file) {
  return [
    el('div', { className: 'grid' }, commitCard(snapshot), changesCard(snapshot)),
    el('div', { className: 'grid' }, fromCard(snapshot), fileCard(snapshot, file)),
  ];
}
