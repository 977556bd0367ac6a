// SPEC sections 7 and 8: `requires` first, then what the blocks need, then all maps key by key.
import { fail } from './errors.js';
import { binary } from './bytes.js';
import { sha256, objectId } from './hash.js';
import { decodeOne } from './msgpack.js';
import { below, checkLength, checkSafe } from './paths.js';
import { HEADER_LENGTH } from './header.js';
import { LIMITS, bounds } from './limits.js';

const bad = (requirement, where, message) => fail('malformed.manifest', requirement, `${where}: ${message}`);
const value = (where, message) => bad('JF-MAN-002', where, message);

// ---- types ----

function map(it, where) {
  if (!(it instanceof Map)) value(where, 'not a map');
  return it;
}

function open(it, keys, where) {
  map(it, where);
  for (const key of keys) if (!it.has(key)) bad('JF-MAN-001', where, `the key ${key} is missing`);
  return it;
}

function closed(it, keys, where) {
  open(it, keys, where);
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

/** The path of a directory without the slash at its end. */
const bare = (path) => (path.endsWith('/') ? path.slice(0, -1) : path);

/**
 * A list of things with paths: their types, lengths, order and safety. Names that are kept because they are unsafe have none of these rules.
 * `directories`: a path may end in a slash; `through`: it may go through repositories inside each other.
 */
function pathList(it, where, pathOf, { requirement = 'JF-PTH-001', directories = false, through = false } = {}) {
  const entries = array(it, where).map((entry, i) => pathOf(entry, `${where}[${i}]`));
  const paths = entries.map((entry) => (typeof entry === 'string' ? entry : entry.path));
  sorted(paths, where);
  entries.forEach((entry, i) => {
    if (entry.reason === 'name') return;
    const path = directories ? bare(paths[i]) : paths[i];
    checkLength(path, through);
    checkSafe(path, requirement);
  });
  return entries;
}

const path = (it, where) => binary(bin(it, where));

const IN_STATE = { requirement: 'JF-STA-004' };
const THROUGH = { through: true };

const paths = (it, where, options = IN_STATE) => pathList(it, where, path, options);

// ---- 7.1 ----

const BLOCK = ['critical', 'kind', 'length', 'object_bytes', 'prefix', 'raw_length', 'records', 'sha256'];
const KNOWN = ['state', 'history'];

/** What is looked at before anything else of a block: a later version may have blocks of any other form. */
function criticalBlocks(it) {
  for (const block of Array.isArray(it) ? it : []) {
    if (!(block instanceof Map) || block.get('critical') !== true) continue;
    const kind = block.get('kind');
    if (typeof kind === 'string' && !KNOWN.includes(kind)) fail('unsupported.block', 'JF-BLK-001', `a critical block of kind ${JSON.stringify(kind)}`);
  }
}

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
      known: KNOWN.includes(kind),
      length: integer(block.get('length'), `${at}.length`, 1),
      objectBytes: integer(block.get('object_bytes'), `${at}.object_bytes`, 0),
      prefix: orNil((number, place) => integer(number, place, 0), block.get('prefix'), `${at}.prefix`),
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
  if (list.some((block) => block.rawLength > (block.known ? LIMITS.blockRawLength : LIMITS.otherRawLength))) size('a block is too long');
  const { allRawLengths, allObjectBytes } = bounds(header.totalLength);
  if (sum('rawLength') > allRawLengths) size('the blocks are too long');
  if (sum('objectBytes') > allObjectBytes) size('the objects are too large');
  const total = BigInt(HEADER_LENGTH + header.manifestLength) + sum('length');
  if (total !== BigInt(header.totalLength)) bad('JF-HDR-009', where, `the parts have ${total} bytes, the container ${header.totalLength}`);
  if (list.some((block) => block.known && block.length > LIMITS.blockLength)) size('a block has too many bytes');
  const rank = (block) => (block.kind === 'state' ? 0 : block.kind === 'history' ? 1 : 2);
  list.forEach((block, i) => {
    if (block.known && !block.critical) bad('JF-BLK-003', `${where}[${i}]`, 'not critical');
    if (i > 0 && rank(block) < rank(list[i - 1])) bad('JF-BLK-004', `${where}[${i}]`, 'blocks of this kind come earlier');
  });
  list.forEach(({ prefix, kind }, i) => {
    if (prefix === null) return;
    const wrong = (message) => bad('JF-BLK-008', `${where}[${i}].prefix`, message);
    if (kind !== 'history') wrong('not in a history block');
    const named = list[prefix];
    if (named?.kind !== 'state') wrong('not the number of a state block');
    if (named.rawLength < LIMITS.prefixLeast || named.rawLength > LIMITS.prefixMost) wrong(`a block of ${named.rawLength} raw bytes`);
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
  }, THROUGH);
}

function summary(it, state) {
  const where = 'summary';
  closed(it, SUMMARY, where);
  const out = {
    commit: orNil(bin, it.get('commit'), `${where}.commit`),
    conflicted: paths(it.get('conflicted'), `${where}.conflicted`, THROUGH),
    files: integer(it.get('files'), `${where}.files`, 0),
    size: integer(it.get('size'), `${where}.size`, 0),
    staged: changes(it.get('staged'), `${where}.staged`),
    unstaged: changes(it.get('unstaged'), `${where}.unstaged`),
    untracked: paths(it.get('untracked'), `${where}.untracked`, THROUGH),
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
  open(it, PROVENANCE, where);
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

const STATE = ['facts', 'head', 'index', 'object_format', 'operation', 'roots', 'submodules', 'worktree'];
const INDEX = ['assume_unchanged', 'conflicts', 'intent_to_add', 'omitted', 'skip_worktree', 'tree'];
const WORKTREE = ['converted', 'empty_directories', 'filtered', 'omitted', 'tree'];
const OMITTED = ['path', 'reason', 'sha256', 'size'];
const REASONS = [
  'size', 'secret', 'filter', 'weights', 'environment', 'cache', 'tracker', 'time', 'missing', 'unreadable', 'special', 'changing', 'excluded', 'name',
];
const OWN_REASON = /^(?=.{1,64}$)[a-z0-9-]+(\.[a-z0-9-]+)+$/;
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
  if (ref !== null && !validRef(ref)) bad('JF-STA-003', `${where}.ref`, 'not a valid reference name');
  return { commit, ref };
}

function mode(it, where) {
  if (!MODES.includes(it)) value(where, 'not one of the four modes');
  return it;
}

function omissions(it, where, directories) {
  const list = pathList(it, where, (entry, at) => {
    closed(entry, OMITTED, at);
    const reason = str(entry.get('reason'), `${at}.reason`);
    if (!REASONS.includes(reason) && !OWN_REASON.test(reason)) value(`${at}.reason`, JSON.stringify(reason));
    const out = {
      path: path(entry.get('path'), `${at}.path`),
      reason,
      sha256: orNil((inner, place) => bin(inner, place, [32]), entry.get('sha256'), `${at}.sha256`),
      size: orNil((inner, place) => integer(inner, place, 0), entry.get('size'), `${at}.size`),
    };
    if (out.path.endsWith('/') && out.sha256 !== null) value(`${at}.sha256`, 'that of a directory');
    return out;
  }, { requirement: 'JF-WRK-005', directories });
  const left = new Set(list.map((entry) => entry.path).filter((name) => name.endsWith('/')));
  const inLeft = below(left);
  for (const { path: name } of left.size > 0 ? list : []) {
    if (left.has(`${name}/`)) bad('JF-WRK-007', where, 'a directory, and the same path without its slash');
    if (inLeft(name)) bad('JF-WRK-007', where, 'a directory, and a path below it');
  }
  return list;
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
    }, IN_STATE),
    intentToAdd: pathList(it.get('intent_to_add'), `${where}.intent_to_add`, (entry, at) => {
      array(entry, at, 2);
      return { path: path(entry[0], at), mode: mode(entry[1], at) };
    }, IN_STATE),
    omitted: omissions(it.get('omitted'), `${where}.omitted`, false),
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
    omitted: omissions(it.get('omitted'), `${where}.omitted`, true),
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

/** `outer` is what all states of a container share: the object format, and how many more of them there may be. */
function state(it, where, outer, level) {
  const format = map(it, where).get('object_format');
  if (level > 0 && typeof format === 'string' && format !== outer.objectFormat) {
    fail('mismatch.state', 'JF-STA-001', `${where}.object_format is not the outermost one's`);
  }
  closed(it, STATE, where);
  const named = str(format, `${where}.object_format`);
  if (!Object.hasOwn(OID_LENGTH, named)) value(`${where}.object_format`, JSON.stringify(named));
  outer.objectFormat = named;
  const oid = oidCheck(named);
  const out = { path: null, level, objectFormat: named, facts: map(it.get('facts'), `${where}.facts`) };
  out.head = head(it.get('head'), `${where}.head`, oid);
  out.index = orNil((inner, at) => index(inner, at, oid), it.get('index'), `${where}.index`);
  out.operation = orNil((inner, at) => operation(inner, at, oid), it.get('operation'), `${where}.operation`);
  const inside = (key, pathKey, pathOf) => {
    const at = `${where}.${key}`;
    const list = array(it.get(key), at);
    if (list.length > 0 && level >= LIMITS.nested) fail('limit.depth', 'JF-SUB-003', `states nested deeper than ${LIMITS.nested}`);
    outer.left -= list.length;
    if (outer.left < 0) fail('limit.count', 'JF-SUB-006', 'more nested states than a container of this length may have');
    const entries = list.map((entry, i) => closed(entry, [pathKey, 'state'], `${at}[${i}]`));
    const names = pathList(entries.map((entry) => entry.get(pathKey)), at, pathOf, IN_STATE);
    return entries.map((entry, i) => ({ ...state(entry.get('state'), `${at}[${i}].state`, outer, level + 1), path: names[i] }));
  };
  if (level > 0 && array(it.get('roots'), `${where}.roots`).length > 0) bad('JF-ROO-001', `${where}.roots`, 'not in the outermost state');
  out.roots = inside('roots', 'name', (entry, at) => {
    const name = path(entry, at);
    if (name.includes('/')) value(at, 'more than one component');
    return name;
  });
  out.submodules = inside('submodules', 'path', path);
  out.worktree = orNil((inner, at) => worktree(inner, at, oid), it.get('worktree'), `${where}.worktree`);
  const noGit = out.index === null && out.operation === null && out.worktree !== null;
  if (out.head.commit === null && out.head.ref === null && !noGit) bad('JF-STA-002', `${where}.head`, 'neither a commit nor a ref');
  return out;
}

// ---- the whole ----

const MANIFEST = ['blocks', 'environment', 'extensions', 'history', 'ignored', 'provenance', 'requires', 'state', 'summary'];

function requires(it) {
  const list = array(it, 'requires').map((entry, i) => str(entry, `requires[${i}]`));
  sorted(list.map((entry) => binary(new TextEncoder().encode(entry))), 'requires');
  if (list.length > 0) fail('unsupported.feature', 'JF-MAN-004', `needs ${JSON.stringify(list[0])}`);
  return list;
}

/** @param {Uint8Array} raw the manifest's msgpack */
export function parseManifest(raw, header) {
  const { values, states } = bounds(header.totalLength);
  const { value: it, ranges } = decodeOne(raw, values);
  open(it, ['requires'], 'manifest');
  const out = { value: it, requires: requires(it.get('requires')) };
  criticalBlocks(it.get('blocks'));
  closed(it, MANIFEST, 'manifest');
  out.state = state(it.get('state'), 'state', { objectFormat: null, left: states }, 0);
  out.blocks = blocks(it.get('blocks'), header);
  out.environment = map(it.get('environment'), 'environment');
  out.extensions = map(it.get('extensions'), 'extensions');
  out.history = history(it.get('history'), oidCheck(out.state.objectFormat));
  out.ignored = paths(it.get('ignored'), 'ignored', { ...THROUGH, directories: true });
  out.provenance = provenance(it.get('provenance'));
  out.summary = summary(it.get('summary'), out.state);
  // The manifest is canonical, so the bytes of the state in it are its canonical msgpack.
  out.snapshotId = sha256(raw.subarray(...ranges.get('state')));
  return out;
}

/** The states, the outermost first, those of roots too, each with the prefix of its paths in `full`. */
export function* allStates(outer, full = '') {
  yield { state: outer, full };
  for (const inner of [...outer.submodules, ...outer.roots]) yield* allStates(inner, `${full}${inner.path}/`);
}

