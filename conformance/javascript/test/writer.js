// A writer for tests alone: containers with any content, right or wrong, in raw (uncompressed) zstd blocks.
import { Container } from '../src/container.js';
import { ascii, binary, concat, unbinary } from '../src/bytes.js';
import { sha256, objectId } from '../src/hash.js';
import { Decoder } from '../src/msgpack.js';
import { decompress } from '../src/zstd.js';
import { MAGIC } from '../src/header.js';
import { flatBudget } from '../src/objects.js';
import { deriveSummary, flatTrees } from '../src/summary.js';

/** Bytes that are taken as they are, in place of a value. */
export class Raw {
  constructor(...bytes) {
    this.bytes = Uint8Array.from(bytes.flat());
  }
}

function number(width, value) {
  const out = new Uint8Array(width);
  const view = new DataView(out.buffer);
  if (width === 1) view.setUint8(0, Number(value));
  else if (width === 2) view.setUint16(0, Number(value));
  else if (width === 4) view.setUint32(0, Number(value));
  else view.setBigUint64(0, BigInt.asUintN(64, BigInt(value)));
  return out;
}

const u64 = (value) => number(8, value);

function sized(size, fix, fixMax, types) {
  if (size <= fixMax) return Uint8Array.of(fix | size);
  const [one, two, four] = types;
  if (one !== null && size < 0x100) return Uint8Array.of(one, size);
  return size < 0x10000 ? concat(Uint8Array.of(two), number(2, size)) : concat(Uint8Array.of(four), number(4, size));
}

export function pack(value) {
  if (value instanceof Raw) return value.bytes;
  if (value === null) return Uint8Array.of(0xc0);
  if (typeof value === 'boolean') return Uint8Array.of(value ? 0xc3 : 0xc2);
  if (typeof value === 'number' || typeof value === 'bigint') {
    const n = BigInt(value);
    if (n >= 0n) {
      if (n < 0x80n) return Uint8Array.of(Number(n));
      const i = [0x100n, 0x10000n, 0x100000000n, 1n << 64n].findIndex((limit) => n < limit);
      return concat(Uint8Array.of(0xcc + i), number(1 << i, n));
    }
    if (n >= -32n) return Uint8Array.of(Number(n) & 0xff);
    const i = [0x80n, 0x8000n, 0x80000000n, 1n << 63n].findIndex((limit) => n >= -limit);
    return concat(Uint8Array.of(0xd0 + i), number(1 << i, n));
  }
  if (typeof value === 'string') {
    const bytes = ascii(value);
    return concat(sized(bytes.length, 0xa0, 31, [0xd9, 0xda, 0xdb]), bytes);
  }
  if (value instanceof Uint8Array) return concat(sized(value.length, 0, -1, [0xc4, 0xc5, 0xc6]), value);
  if (Array.isArray(value)) return concat(sized(value.length, 0x90, 15, [null, 0xdc, 0xdd]), ...value.map(pack));
  const entries = [...value].sort(([a], [b]) => (binary(ascii(a)) < binary(ascii(b)) ? -1 : 1));
  return concat(sized(entries.length, 0x80, 15, [null, 0xde, 0xdf]), ...entries.flatMap(([key, inner]) => [pack(key), pack(inner)]));
}

/** A frame of raw blocks of `size` bytes. */
export function frame(raw, { window = 0x60, checksum = false, size = 128 * 1024, end = new Uint8Array() } = {}) {
  const parts = [Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, checksum ? 0x04 : 0x00, window)];
  for (let at = 0; at === 0 || at < raw.length; at += size) {
    const part = raw.subarray(at, at + size);
    const head = (part.length << 3) | (at + size >= raw.length ? 1 : 0);
    parts.push(Uint8Array.of(head & 0xff, (head >> 8) & 0xff, head >> 16), part);
  }
  return concat(...parts, end);
}

export const oid = (kind, content, format = 'sha1') => unbinary(objectId(format, kind, content));

const map = (object) => new Map(Object.entries(object));

/** A container as values that can be changed: `manifest`, and `blocks` of `kind` and `records`. */
export async function take(bytes) {
  const container = await Container.open(bytes);
  const blocks = [];
  const raws = [];
  for (const block of container.manifest.blocks) {
    const raw = await decompress(await container.source.read(block.offset, block.length), block.rawLength, 1 << 27, raws[block.prefix] ?? null);
    raws.push(raw);
    const decoder = new Decoder(raw, { left: Infinity });
    const records = [];
    while (decoder.at < raw.length) records.push(decoder.value());
    blocks.push({ kind: block.kind, records });
  }
  return { manifest: copy(container.manifest.value), blocks };
}

export function copy(value) {
  if (value instanceof Map) return new Map([...value].map(([key, inner]) => [key, copy(inner)]));
  if (Array.isArray(value)) return value.map(copy);
  if (value instanceof Uint8Array) return value.slice();
  return value;
}

function sizeOf(record) {
  if (!Array.isArray(record)) return 0;
  if (record.length === 2) return record[1].length ?? 0;
  return (record[2] ?? []).reduce((sum, op) => sum + (op instanceof Uint8Array ? op.length : Number(op[1]) || 0), 0);
}

function header(fields, manifestFrame) {
  const head = concat(MAGIC, Uint8Array.of(fields.version ?? 1), fields.reserved ?? new Uint8Array(7),
    u64(fields.manifestLength), u64(fields.manifestRawLength), u64(fields.totalLength));
  return concat(head, fields.digest ?? sha256(concat(head, manifestFrame)), manifestFrame);
}

/**
 * The container's bytes. A block may set `raw`, `frame`, `critical` and each key of its map (`map`); `options` each field of
 * the header, and `manifestRaw` and `manifestFrame`.
 */
export function seal({ manifest, blocks }, options = {}) {
  const frames = [];
  const maps = blocks.map((block) => {
    const raw = block.raw ?? concat(...block.records.map(pack));
    const bytes = block.frame ?? frame(raw, block.zstd);
    frames.push(bytes);
    return new Map([...map({
      critical: block.critical ?? true,
      kind: block.kind,
      length: bytes.length,
      object_bytes: block.records.reduce((sum, record) => sum + sizeOf(record), 0),
      prefix: null,
      raw_length: raw.length,
      records: block.records.length,
      sha256: sha256(bytes),
    }), ...Object.entries(block.map ?? {})]);
  });
  const whole = new Map([...manifest, ['blocks', options.blocks ?? maps], ...Object.entries(options.keys ?? {})]);
  const raw = options.manifestRaw ?? pack(whole);
  const manifestFrame = options.manifestFrame ?? frame(raw, options.zstd);
  const fields = { manifestLength: manifestFrame.length, manifestRawLength: raw.length, ...options };
  fields.totalLength ??= 72 + manifestFrame.length + frames.reduce((sum, bytes) => sum + bytes.length, 0);
  return concat(header(fields, manifestFrame), ...frames);
}

/** As `seal`, with the parts that follow from the state made right: `history.commits`, `history.shallow`, the summary. */
export async function sealRight(model) {
  const manifest = copy(model.manifest);
  const container = await Container.open(seal({ ...model, manifest }));
  const objects = await container.loadBlocks();
  const history = manifest.get('history');
  const prerequisites = new Set(history.get('prerequisites').map((id) => binary(id)));
  history.set('commits', objects.commits);
  const shallow = [...objects.all].filter(([id, { kind }]) => kind === 1
    && objects.commit(id).parents.some((parent) => !objects.has(parent, 1) && !prerequisites.has(parent))).map(([id]) => id).sort();
  history.set('shallow', shallow.map(unbinary));
  const { state } = container.manifest;
  const missing = new Set(history.get('missing').map((id) => binary(id)));
  const derived = deriveSummary(objects, state, (inner) => flatTrees(objects, inner, '', flatBudget(container.bounds)), missing);
  const lists = (list) => list.map((entry) => (typeof entry === 'string' ? unbinary(entry) : [entry.letter, unbinary(entry.path)]));
  manifest.set('summary', map({
    commit: manifest.get('summary').get('commit'),
    conflicted: lists(derived.conflicted),
    files: derived.files,
    size: derived.size,
    staged: lists(derived.staged),
    unstaged: lists(derived.unstaged),
    untracked: lists(derived.untracked),
  }));
  return seal({ ...model, manifest });
}

/** The content of a tree of [mode digits, name, oid]. */
export const tree = (...entries) => concat(...entries.map(([mode, name, id]) => concat(ascii(`${mode} `), typeof name === 'string' ? ascii(name) : name, Uint8Array.of(0), id)));

/** A container made of nothing but `files`, a list of [mode, name, content], untracked in a repository without a commit. */
export function bare(files, { format = 'sha1', records = null } = {}) {
  const state = [];
  const entries = files.map(([mode, name, content]) => {
    const bytes = typeof content === 'string' ? ascii(content) : content;
    if (!state.some(([, other]) => binary(other) === binary(bytes))) state.push([3, bytes]);
    return [mode, name, oid(3, bytes, format)];
  });
  const root = tree(...entries);
  const empty = new Uint8Array();
  if (root.length > 0) state.push([2, root]);
  state.push([2, empty]);
  const none = oid(2, empty, format);
  const manifest = map({
    environment: map({}), extensions: map({}), ignored: [], requires: [],
    history: map({ commits: 0, missing: [], prerequisites: [], shallow: [] }),
    provenance: map({ argv: [], remotes: [], time: 0, tool: 'test', zone: 0 }),
    state: map({
      facts: map({}),
      head: map({ commit: null, ref: ascii('refs/heads/main') }),
      index: map({ assume_unchanged: [], conflicts: [], intent_to_add: [], omitted: [], skip_worktree: [], tree: none }),
      object_format: format, operation: null, roots: [], submodules: [],
      worktree: map({ converted: [], empty_directories: [], filtered: [], omitted: [], tree: oid(2, root, format) }),
    }),
    summary: map({ commit: null, conflicted: [], files: 0, size: 0, staged: [], unstaged: [], untracked: [] }),
  });
  return { manifest, blocks: [{ kind: 'state', records: records ?? state }] };
}

export { map };
