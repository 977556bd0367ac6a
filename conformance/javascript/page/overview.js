// The commit, what is uncommitted, where the snapshot comes from.
import { hexOf, hex } from '../src/bytes.js';
import { explained } from './damage.js';
import { card, el, facts, fileName, line, name, plural, size, time, visible } from './dom.js';
import { commandLine, copied, verifyCommand } from './shell.js';

const MOST = 200;
const SIGNERS = 5;

// As the commands call them, and as this page's own readers do.
const FORMS = {
  bare: 'a file of its own', listed: 'an entry of the archive', unlisted: 'behind the archive\u2019s entries', locator: 'an entry of the archive', entry: 'an entry of the archive',
  tensor: 'a tensor of bytes', metadata: 'in the header\u2019s metadata', trailer: 'behind the file\u2019s own bytes', 'user block': 'in front of the file\u2019s own bytes',
  field: 'a field of the model', jellyml: 'a snapshot of jellyml, read as a container',
};
const HOSTS = {
  torch: 'a torch file', npz: 'a numpy archive', zip: 'a zip', safetensors: 'a safetensors file', hdf5: 'an HDF5 file', gguf: 'a GGUF file', onnx: 'an ONNX model', flax: 'a flax file',
  trailer: 'a file',
};

/** Where a container lies, in words. */
function where({ host, form, holder }) {
  if (host === 'sidecar') return ['beside the file, in ', el('code', {}, fileName(holder ?? ''))];
  if (host === 'directory') return ['in the directory, in ', el('code', {}, fileName(holder ?? ''))];
  if (host === 'jelly') return FORMS.bare;
  const kind = Object.hasOwn(HOSTS, host) ? HOSTS[host] : line(host);
  return `in ${kind}: ${Object.hasOwn(FORMS, form) ? FORMS[form] : line(form)}`;
}

const id = (text) => el('code', { className: 'id', title: text }, text);

const MEANING = { R: 'renamed', A: 'added', D: 'deleted', M: 'modified', T: 'type changed', '?': 'new', U: 'in conflict' };

export const mark = (letter) => el('span', { className: `mark m-${letter === '?' ? 'A' : letter === 'R' ? 'M' : letter}`, title: MEANING[letter] }, letter);

function commitCard({ commit, manifest }) {
  const { head, operation } = manifest.state;
  const branch = head.ref === null ? 'detached' : name(head.ref).replace(/^refs\/heads\//, '');
  if (commit === null) return card('Commit', el('p', {}, head.ref === null ? 'None: the files were in no repository.' : `None yet on ${branch}.`));
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
    ['Further repositories', state.roots.length ? el('ul', { className: 'paths' }, state.roots.map(({ path }) => el('li', {}, name(path)))) : null],
    ['Nested repositories', state.submodules.length ? el('ul', { className: 'paths' }, state.submodules.map(({ path }) => el('li', {}, name(path)))) : null],
  ]));
}

function fileCard({ container, manifest, said: { signatures } }, about) {
  const { summary } = manifest;
  return card('File', facts([
    ['Name', fileName(about.file)],
    ['Size', about.host === 'jelly' || about.size === null ? null : size(about.size)],
    ['Container', size(container.header.totalLength)],
    ['Where', where(about)],
    ['Attention', about.host_changed ? el('strong', { className: 'bad' }, 'The file has changed since the snapshot was put beside it: it may be of other code.') : null],
    ['Put beside', about.lost_host ? `${fileName(about.lost_host)}, which is not there any more` : null],
    ['Files', `${summary.files.toLocaleString('en')}, ${size(summary.size)}`],
    ['Snapshot', id(container.snapshotId)],
    ['Digest', id(hex(container.header.digest))],
    ['Signatures', signatures.length === 0 ? null : signed(signatures)],
    ['Are they good?', signatures.length === 0 ? null : copied(verifyCommand(about.file))],
  ]));
}

const unreadable = (format) => (format === 'sshsig' ? 'one that cannot be read' : `one of a kind that is not known here (${line(String(format)).slice(0, 64)})`);

/** What signatures say of themselves; this page does not check them. */
export function signed(claims) {
  const said = claims.map(({ format, key_type: type, fingerprint }) => (fingerprint === null ? unreadable(format) : `${line(type).slice(0, 64)} ${fingerprint}`));
  const rest = new Set(said).size - SIGNERS;
  return `${plural(claims.length, 'signature')}, not checked here: ${[...new Set(said)].slice(0, SIGNERS).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}. jelly verify --signers checks whose they are`;
}

function saidCard({ said: { labels, note, run, edited } }) {
  if (labels.length === 0 && note === null && run === null && edited.length === 0) return null;
  return card('Labels', labels.length ? facts(labels.slice(0, MOST).map(([key, value]) => [line(key), line(value)])) : null,
    labels.length > MOST ? el('p', { className: 'quiet' }, `and ${labels.length - MOST} more`) : null,
    note === null ? null : el('pre', { className: 'message' }, visible(note)),
    facts([
      ['Run', run && `${run.id.slice(0, 8)}, checkpoint ${run.sequence}`],
      ['Changed after it was loaded', edited.length ? el('ul', { className: 'paths' }, edited.slice(0, MOST).map((path) => el('li', {}, name(path)))) : null],
    ]));
}

function commandsCard({ file }) {
  return card('Take it from here',
    el('p', { className: 'quiet' }, 'This repository as it was then; jelly undo takes it back:'), copied(commandLine('restore', file)),
    el('p', { className: 'quiet' }, 'The files alone, into a new directory:'), copied(commandLine('export', file, 'code')),
    el('p', { className: 'quiet' }, 'The uncommitted changes as a patch:'), copied(commandLine('diff', file)));
}

/** Branch and commit in a few words. */
export function place({ manifest: { state: { head } } }) {
  if (head.ref === null && head.commit === null) return 'no repository';
  const branch = head.ref === null ? 'detached' : name(head.ref).replace(/^refs\/heads\//, '');
  return `${branch} \u00b7 ${head.commit === null ? 'no commit yet' : hexOf(head.commit).slice(0, 10)}`;
}

export function overview(snapshot, about) {
  return [
    snapshot.fault ? explained(snapshot.fault, about.file) : null,
    el('div', { className: 'grid' }, commitCard(snapshot), changesCard(snapshot)),
    el('div', { className: 'grid' }, saidCard(snapshot), commandsCard(about)),
    el('div', { className: 'grid' }, fromCard(snapshot), fileCard(snapshot, about)),
  ].filter(Boolean);
}
