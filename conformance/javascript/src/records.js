// SPEC section 9: blocks into objects. Whole objects stay views of their block's bytes; a diff is kept as its ops and rebuilt
// when it is asked for, so memory follows the declared raw lengths.
import { fail } from './errors.js';
import { binary } from './bytes.js';
import { objectId } from './hash.js';
import { Decoder } from './msgpack.js';
import { countTree, parseCommit, parseTree, COMMIT, TREE, KIND_NAMES } from './objects.js';
import { LIMITS } from './limits.js';

const CACHE_BYTES = 64 * 1024 ** 2;
const CACHE_TREES = 200_000;

const record = (message) => fail('malformed.record', 'JF-REC-001', message);

export class Objects {
  /** @param bounds of the container: how many msgpack values all records may have, and entries all trees */
  constructor(format, thin, { values, treeEntries }) {
    this.values = { left: values };
    this.entriesLeft = treeEntries;
    this.format = format;
    this.oidLength = format === 'sha256' ? 32 : 20;
    this.thin = thin;
    /** oid → {kind, size, chain, block kind, content | base and ops} */
    this.all = new Map();
    this.commits = 0;
    this.diffs = 0;
    this.cache = new Map();
    this.cached = 0;
    this.trees = new Map();
    this.treeEntries = 0;
  }

  has(oid, kind = null) {
    const object = this.all.get(oid);
    return object !== undefined && (kind === null || object.kind === kind);
  }

  get(oid) {
    return this.all.get(oid) ?? null;
  }

  content(oid) {
    const object = this.all.get(oid);
    if (object.content) return object.content;
    const known = this.cache.get(oid);
    if (known) {
      this.cache.delete(oid);
      this.cache.set(oid, known);
      return known;
    }
    const built = this.build(object);
    this.remember(oid, built);
    return built;
  }

  remember(oid, built) {
    if (built.length > CACHE_BYTES) return;
    this.cache.set(oid, built);
    this.cached += built.length;
    for (const [old, bytes] of this.cache) {
      if (this.cached <= CACHE_BYTES) break;
      this.cache.delete(old);
      this.cached -= bytes.length;
    }
  }

  build({ base, ops, size }) {
    const from = this.content(base);
    const out = new Uint8Array(size);
    let at = 0;
    for (const op of ops) {
      const part = op instanceof Uint8Array ? op : from.subarray(op[0], op[0] + op[1]);
      out.set(part, at);
      at += part.length;
    }
    return out;
  }

  /** The entries of a tree; null where there is none with this id. */
  tree(oid) {
    const known = this.trees.get(oid);
    if (known) return known;
    if (!this.has(oid, TREE)) return null;
    const entries = parseTree(this.content(oid), this.oidLength);
    if (this.treeEntries < CACHE_TREES) {
      this.trees.set(oid, entries);
      this.treeEntries += entries.length;
    }
    return entries;
  }

  commit(oid) {
    return this.has(oid, COMMIT) ? parseCommit(this.content(oid), this.oidLength) : null;
  }

  /** One block's raw bytes. */
  addBlock(raw, block) {
    const decoder = new Decoder(raw, this.values);
    let bytes = 0;
    for (let i = 0; i < block.records; i++) {
      if (decoder.at === raw.length) fail('malformed.record', 'JF-BLK-007', `${i} records, not ${block.records}`);
      const object = this.parse(decoder.value());
      bytes += object.size;
      if (bytes > block.objectBytes) fail('malformed.record', 'JF-BLK-007', `objects of more than ${block.objectBytes} bytes`);
      object.block = block.kind;
      this.add(object);
    }
    if (decoder.at !== raw.length) fail('malformed.record', 'JF-BLK-007', `more than ${block.records} records`);
    if (bytes !== block.objectBytes) fail('malformed.record', 'JF-BLK-007', `objects of ${bytes} bytes, not ${block.objectBytes}`);
  }

  parse(value) {
    if (!Array.isArray(value) || value.length < 2 || value.length > 3) record('a record that is no array of two or three');
    const [kind, second, ops] = value;
    if (!(kind in KIND_NAMES) || typeof kind !== 'number') record('a record of another kind');
    if (!(second instanceof Uint8Array)) record('a record without a bin');
    if (value.length === 2) {
      if (second.length > LIMITS.object) fail('limit.size', 'JF-REC-007', `an object of ${second.length} bytes`);
      return { kind, size: second.length, chain: 0, content: second };
    }
    if (second.length !== this.oidLength) record(`a base of ${second.length} bytes`);
    if (!Array.isArray(ops) || ops.length === 0) record('a diff without ops');
    let size = 0;
    for (const op of ops) {
      if (op instanceof Uint8Array) {
        if (op.length === 0) record('an op of no bytes');
        size += op.length;
      } else {
        const fits = Array.isArray(op) && op.length === 2 && op.every((n) => typeof n === 'number' || typeof n === 'bigint') && op[0] >= 0 && op[1] >= 1;
        if (!fits) record('an op of another form');
        size += Number(op[1]);
      }
    }
    if (size > LIMITS.object) fail('limit.size', 'JF-REC-007', `a diff of ${size} bytes`);
    return { kind, size, chain: 0, base: binary(second), ops };
  }

  add(object) {
    if (object.base !== undefined) {
      const base = this.all.get(object.base);
      if (base === undefined) {
        fail('missing.base', 'JF-REC-005', this.thin ? 'a diff builds on an object outside of this container, which this reader does not have' : 'a diff without its base');
      }
      object.chain = base.chain + 1;
      if (object.chain > LIMITS.chain) fail('limit.depth', 'JF-REC-006', `a chain of more than ${LIMITS.chain} diffs`);
      if (base.kind !== object.kind) fail('malformed.diff', 'JF-REC-004', `a ${KIND_NAMES[object.kind]} built on a ${KIND_NAMES[base.kind]}`);
      for (const op of object.ops) {
        if (!(op instanceof Uint8Array) && Number(op[0]) + Number(op[1]) > base.size) fail('malformed.diff', 'JF-REC-003', 'an op reaches beyond the end of its base');
      }
      this.diffs += 1;
    }
    const content = object.content ?? this.build(object);
    if (object.kind === COMMIT) this.commits += 1;
    if (object.kind === TREE) this.entriesLeft -= countTree(content, this.oidLength, this.entriesLeft);
    const oid = objectId(this.format, object.kind, content);
    if (this.all.has(oid)) fail('malformed.duplicate', 'JF-REC-002', `a ${KIND_NAMES[object.kind]} twice`);
    this.all.set(oid, object);
    if (object.base !== undefined) this.remember(oid, content);
  }
}
