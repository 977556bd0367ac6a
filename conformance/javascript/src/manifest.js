// SPEC sections 7 and 8: closed maps, checked key by key in sorted order.
import { fail } from './errors.js';
import { binary } from './bytes.js';
import { sha256, objectId } from './hash.js';
import { decodeOne } from './msgpack.js';
import { checkLength, checkSafe } from './paths.js';
import { HEADER_LENGTH } from './header.js';
import { LIMITS } from './limits.js';

const bad = (requirement, where, message) => fail('malformed.manifest', requirement, `${where}: ${message}`);
const value = (where, message) => bad('JF-MAN-002', where, message);

// ---- types ----

function map(it, where) {
  if (!(it instanceof Map)) value(where, 'not a map');
  return it;
}

function closed(it, keys, where) {
  map(it, where);
  for (const key of keys) if (!it.has(key)) bad('JF-MAN-001', where, `the key ${key} is missing`);
  for (const key of it.keys()) if (!keys.includes(key)) bad('JF-MAN-001', where, `the key ${JSON.stringify(key)} is not allowed`);
  return it;
}

function array(it, where, length = null) {
  if (!Array.isArray(it) || (length !== null && it.length !== length)) value(where, length === null ? 'not an array' : `not an array of ${length}`);
  return it;
}

function bin(it, where, length = null) {
  if (!(it instanceof Uint8Array)) value(where, 'not a bin');
  if (length !== null && !length.includes(it.length)) value(where, `a bin of ${it.length} bytes`);
  return it;
}

function str(it, where) {
  if (typeof it !== 'string') value(where, 'not a str');
  return it;
}

function integer(it, where, least = null, most = null) {
  if (typeof it !== 'number' && typeof it !== 'bigint') value(where, 'not an integer');
  if ((least !== null && it < least) || (most !== null && it > most)) value(where, `${it} is out of range`);
  return it;
}

function bool(it, where) {
  if (typeof it !== 'boolean') value(where, 'not a boolean');
  return it;
}

const orNil = (check, it, where) => (it === null ? null : check(it, where));

function sorted(keys, where) {
  for (let i = 1; i < keys.length; i++) if (!(keys[i - 1] < keys[i])) bad('JF-MAN-003', where, `not sorted, or twice the same, at ${i}`);
}

/** A list of things with paths: their types, lengths, order and safety. Names that are kept because they are unsafe have none of these rules. */
function pathList(it, where, pathOf, requirement = 'JF-PTH-001') {
  const entries = array(it, where).map((entry, i) => pathOf(entry, `${where}[${i}]`));
  const paths = entries.map((entry) => (typeof entry === 'string' ? entry : entry.path));
  sorted(paths, where);
  entries.forEach((entry, i) => {
    if (entry.reason === 'name') return;
    checkLength(paths[i]);
    checkSafe(paths[i], requirement);
  });
  return entries;
}

const path = (it, where) => binary(bin(it, where));

const paths = (it, where, requirement = 'JF-STA-004') => pathList(it, where, path, requirement);

// ---- 7.1 ----

const BLOCK = ['critical', 'kind', 'length', 'object_bytes', 'raw_length', 'records', 'sha256'];

function blocks(it, header) {
  const where = 'blocks';
  const list = array(it, where).map((block, i) => {
    const at = `${where}[${i}]`;
    closed(block, BLOCK, at);
    const kind = str(block.get('kind'), `${at}.kind`);
    const size = new TextEncoder().encode(kind).length;
    if (size < 1 || size > 64) value(`${at}.kind`, `a name of ${size} bytes`);
    return {
      critical: bool(block.get('critical'), `${at}.critical`),
      kind,
      known: kind === 'state' || kind === 'history',
      length: integer(block.get('length'), `${at}.length`, 1),
      objectBytes: integer(block.get('object_bytes'), `${at}.object_bytes`, 0),
      rawLength: integer(block.get('raw_length'), `${at}.raw_length`, 1),
      records: integer(block.get('records'), `${at}.records`, 1),
      sha256: bin(block.get('sha256'), `${at}.sha256`, [32]),
    };
  });
  const sum = (key) => list.reduce((total, block) => total + BigInt(block[key]), 0n);
  const size = (message) => fail('limit.size', 'JF-BLK-006', message);
  const count = (message) => fail('limit.count', 'JF-BLK-006', message);
  if (list.length > LIMITS.blocks) count(`${list.length} blocks`);
  if (sum('records') > BigInt(LIMITS.allRecords)) count(`${sum('records')} records`);
  if (list.some((block) => block.rawLength > LIMITS.blockRawLength)) size('a block is too long');
  if (sum('rawLength') > BigInt(LIMITS.allRawLengths)) size('the blocks are too long');
  if (sum('objectBytes') > BigInt(LIMITS.allObjectBytes)) size('the objects are too large');
  const total = BigInt(HEADER_LENGTH + header.manifestLength) + sum('length');
  if (total !== BigInt(header.totalLength)) bad('JF-HDR-009', where, `the parts have ${total} bytes, the container ${header.totalLength}`);
  if (list.some((block) => block.known && block.length > LIMITS.blockLength)) size('a block has too many bytes');
  const rank = (block) => (block.kind === 'state' ? 0 : block.kind === 'history' ? 1 : 2);
  list.forEach((block, i) => {
    if (block.known && !block.critical) bad('JF-BLK-003', `${where}[${i}]`, 'not critical');
    if (block.critical && !block.known) fail('unsupported.block', 'JF-BLK-001', `a critical block of kind ${JSON.stringify(block.kind)}`);
    if (i > 0 && rank(block) < rank(list[i - 1])) bad('JF-BLK-004', `${where}[${i}]`, 'blocks of this kind come earlier');
  });
  let offset = HEADER_LENGTH + header.manifestLength;
  for (const block of list) {
    block.offset = offset;
    offset += Number(block.length);
  }
  return list;
}

// ---- 7.2 ----

const SUMMARY = ['commit', 'conflicted', 'files', 'size', 'staged', 'unstaged', 'untracked'];

function changes(it, where) {
  return pathList(it, where, (entry, at) => {
    array(entry, at, 2);
    if (!['A', 'D', 'M', 'T'].includes(str(entry[0], at))) value(at, `the letter ${JSON.stringify(entry[0])}`);
    return { letter: entry[0], path: path(entry[1], at) };
  });
}

function summary(it, state) {
  const where = 'summary';
  closed(it, SUMMARY, where);
  const out = {
    commit: orNil(bin, it.get('commit'), `${where}.commit`),
    conflicted: paths(it.get('conflicted'), `${where}.conflicted`, 'JF-PTH-001'),
    files: integer(it.get('files'), `${where}.files`, 0),
    size: integer(it.get('size'), `${where}.size`, 0),
    staged: changes(it.get('staged'), `${where}.staged`),
    unstaged: changes(it.get('unstaged'), `${where}.unstaged`),
    untracked: paths(it.get('untracked'), `${where}.untracked`, 'JF-PTH-001'),
  };
  const id = out.commit === null ? null : objectId(state.objectFormat, 1, out.commit);
  if (id !== state.head.commit) fail('mismatch.summary', 'JF-SUM-002', 'summary.commit is not the object of state.head.commit');
  return out;
}

// ---- 7.3 ----

const HISTORY = ['commits', 'missing', 'prerequisites', 'shallow'];

function history(it, oid) {
  const where = 'history';
  closed(it, HISTORY, where);
  const oids = (key) => {
    const list = array(it.get(key), `${where}.${key}`).map((entry, i) => oid(entry, `${where}.${key}[${i}]`));
    sorted(list, `${where}.${key}`);
    return list;
  };
  return {
    commits: integer(it.get('commits'), `${where}.commits`, 0),
    missing: oids('missing'),
    prerequisites: oids('prerequisites'),
    shallow: oids('shallow'),
  };
}

// ---- 7.4 ----

const PROVENANCE = ['argv', 'remotes', 'time', 'tool', 'zone'];

function provenance(it) {
  const where = 'provenance';
  closed(it, PROVENANCE, where);
  const argv = array(it.get('argv'), `${where}.argv`).map((entry, i) => bin(entry, `${where}.argv[${i}]`));
  const remotes = array(it.get('remotes'), `${where}.remotes`).map((entry, i) => {
    const at = `${where}.remotes[${i}]`;
    array(entry, at, 2);
    return { name: bin(entry[0], at), url: bin(entry[1], at) };
  });
  sorted(remotes.map((remote) => binary(remote.name)), `${where}.remotes`);
  return {
    argv,
    remotes,
    time: integer(it.get('time'), `${where}.time`, 0),
    tool: str(it.get('tool'), `${where}.tool`),
    zone: integer(it.get('zone'), `${where}.zone`, -1440, 1440),
  };
}

// ---- 8 ----

const STATE = ['head', 'index', 'object_format', 'operation', 'submodules', 'worktree'];
const INDEX = ['assume_unchanged', 'conflicts', 'intent_to_add', 'skip_worktree', 'tree'];
const WORKTREE = ['converted', 'empty_directories', 'filtered', 'omitted', 'tree'];
const OMITTED = ['path', 'reason', 'sha256', 'size'];
const REASONS = ['size', 'secret', 'filter', 'missing', 'unreadable', 'special', 'changing', 'excluded', 'name'];
const OPERATIONS = ['merge', 'cherry-pick', 'revert', 'rebase', 'am', 'bisect'];
const MODES = [0o100644, 0o100755, 0o120000, 0o160000];

/** git-check-ref-format(1), beginning with refs/; on a binary string. */
export function validRef(ref) {
  if (!ref.startsWith('refs/')) return false;
  if (/[\x00-\x20\x7f~^:?*[\\]/.test(ref) || ref.includes('..') || ref.includes('@{') || ref.endsWith('.')) return false;
  return ref.split('/').every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'));
}

function head(it, where, oid) {
  closed(it, ['commit', 'ref'], where);
  const commit = orNil(oid, it.get('commit'), `${where}.commit`);
  const ref = it.get('ref') === null ? null : binary(bin(it.get('ref'), `${where}.ref`));
  if (commit === null && ref === null) bad('JF-STA-002', where, 'neither a commit nor a ref');
  if (ref !== null && !validRef(ref)) bad('JF-STA-003', `${where}.ref`, 'not a valid reference name');
  return { commit, ref };
}

function mode(it, where) {
  if (!MODES.includes(it)) value(where, 'not one of the four modes');
  return it;
}

function index(it, where, oid) {
  closed(it, INDEX, where);
  const staged = (entry, at) => {
    if (entry === null) return null;
    array(entry, at, 2);
    return { mode: mode(entry[0], at), oid: oid(entry[1], at) };
  };
  return {
    assumeUnchanged: paths(it.get('assume_unchanged'), `${where}.assume_unchanged`),
    conflicts: pathList(it.get('conflicts'), `${where}.conflicts`, (entry, at) => {
      array(entry, at, 4);
      const stages = entry.slice(1).map((stage) => staged(stage, at));
      if (stages.every((stage) => stage === null)) value(at, 'no stage at all');
      return { path: path(entry[0], at), stages };
    }, 'JF-STA-004'),
    intentToAdd: pathList(it.get('intent_to_add'), `${where}.intent_to_add`, (entry, at) => {
      array(entry, at, 2);
      return { path: path(entry[0], at), mode: mode(entry[1], at) };
    }, 'JF-STA-004'),
    skipWorktree: paths(it.get('skip_worktree'), `${where}.skip_worktree`),
    tree: oid(it.get('tree'), `${where}.tree`),
  };
}

function worktree(it, where, oid) {
  closed(it, WORKTREE, where);
  return {
    converted: paths(it.get('converted'), `${where}.converted`),
    emptyDirectories: paths(it.get('empty_directories'), `${where}.empty_directories`),
    filtered: paths(it.get('filtered'), `${where}.filtered`),
    omitted: pathList(it.get('omitted'), `${where}.omitted`, (entry, at) => {
      closed(entry, OMITTED, at);
      if (!REASONS.includes(str(entry.get('reason'), `${at}.reason`))) value(`${at}.reason`, JSON.stringify(entry.get('reason')));
      return {
        path: path(entry.get('path'), `${at}.path`),
        reason: entry.get('reason'),
        sha256: entry.get('sha256') === null ? null : bin(entry.get('sha256'), `${at}.sha256`, [32]),
        size: entry.get('size') === null ? null : integer(entry.get('size'), `${at}.size`, 0),
      };
    }, 'JF-WRK-005'),
    tree: oid(it.get('tree'), `${where}.tree`),
  };
}

function operation(it, where, oid) {
  closed(it, ['heads', 'kind', 'message'], where);
  const heads = array(it.get('heads'), `${where}.heads`).map((entry, i) => oid(entry, `${where}.heads[${i}]`));
  const kind = str(it.get('kind'), `${where}.kind`);
  if (!OPERATIONS.includes(kind)) value(`${where}.kind`, JSON.stringify(kind));
  if ((heads.length > 0) !== OPERATIONS.slice(0, 3).includes(kind)) value(`${where}.heads`, `${heads.length} in a ${kind}`);
  return { heads, kind, message: orNil(bin, it.get('message'), `${where}.message`) };
}

const OID_LENGTH = { sha1: 20, sha256: 32 };

const oidCheck = (format) => (it, where) => binary(bin(it, where, [OID_LENGTH[format]]));

function state(it, where, outer, level) {
  closed(it, STATE, where);
  const named = str(it.get('object_format'), `${where}.object_format`);
  if (!Object.hasOwn(OID_LENGTH, named)) value(`${where}.object_format`, JSON.stringify(named));
  if (outer !== null && named !== outer) fail('mismatch.state', 'JF-STA-001', `${where}.object_format is not the outermost one's`);
  const oid = oidCheck(named);
  const out = { path: null, level, objectFormat: named };
  out.head = head(it.get('head'), `${where}.head`, oid);
  out.index = orNil((inner, at) => index(inner, at, oid), it.get('index'), `${where}.index`);
  out.operation = orNil((inner, at) => operation(inner, at, oid), it.get('operation'), `${where}.operation`);
  const list = array(it.get('submodules'), `${where}.submodules`);
  if (list.length > 0 && level >= LIMITS.nested) fail('limit.depth', 'JF-SUB-003', `states nested deeper than ${LIMITS.nested}`);
  const nested = list.map((entry, i) => closed(entry, ['path', 'state'], `${where}.submodules[${i}]`));
  const names = pathList(nested.map((entry) => entry.get('path')), `${where}.submodules`, path, 'JF-STA-004');
  out.submodules = nested.map((entry, i) => {
    const inner = state(entry.get('state'), `${where}.submodules[${i}].state`, outer ?? named, level + 1);
    inner.path = names[i];
    return inner;
  });
  out.worktree = orNil((inner, at) => worktree(inner, at, oid), it.get('worktree'), `${where}.worktree`);
  return out;
}

// ---- the whole ----

const MANIFEST = ['blocks', 'environment', 'extensions', 'history', 'ignored', 'provenance', 'requires', 'state', 'summary'];

function ignored(it) {
  const where = 'ignored';
  const list = array(it, where).map((entry, i) => binary(bin(entry, `${where}[${i}]`)));
  sorted(list, where);
  for (const entry of list) {
    const bare = entry.endsWith('/') ? entry.slice(0, -1) : entry;
    checkLength(bare);
    checkSafe(bare);
  }
  return list;
}

function requires(it) {
  const list = array(it, 'requires').map((entry, i) => str(entry, `requires[${i}]`));
  sorted(list.map((entry) => binary(new TextEncoder().encode(entry))), 'requires');
  if (list.length > 0) fail('unsupported.feature', 'JF-MAN-004', `needs ${JSON.stringify(list[0])}`);
  return list;
}

/** @param {Uint8Array} raw the manifest's msgpack */
export function parseManifest(raw, header) {
  const { value: it, ranges } = decodeOne(raw);
  closed(it, MANIFEST, 'manifest');
  const out = { value: it };
  out.state = state(it.get('state'), 'state', null, 0);
  out.blocks = blocks(it.get('blocks'), header);
  out.environment = map(it.get('environment'), 'environment');
  out.extensions = map(it.get('extensions'), 'extensions');
  out.history = history(it.get('history'), oidCheck(out.state.objectFormat));
  out.ignored = ignored(it.get('ignored'));
  out.provenance = provenance(it.get('provenance'));
  out.requires = requires(it.get('requires'));
  out.summary = summary(it.get('summary'), out.state);
  // The manifest is canonical, so the bytes of the state in it are its canonical msgpack.
  out.snapshotId = sha256(raw.subarray(...ranges.get('state')));
  return out;
}

/** The states, the outermost first, each with the prefix of its paths in `full`. */
export function* allStates(outer, full = '') {
  yield { state: outer, full };
  for (const inner of outer.submodules) yield* allStates(inner, `${full}${inner.path}/`);
}

