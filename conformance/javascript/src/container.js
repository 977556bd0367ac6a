// SPEC section 3: header, manifest, blocks.
import { fail } from './errors.js';
import { equal, hex, unbinary } from './bytes.js';
import { sha256 } from './hash.js';
import { asSource } from './source.js';
import { parseHeader, checkDigest, HEADER_LENGTH } from './header.js';
import { decompress } from './zstd.js';
import { parseManifest, allStates } from './manifest.js';
import { Objects } from './records.js';
import { SUBMODULE, flatBudget } from './objects.js';
import { flatTrees } from './summary.js';
import { LIMITS, bounds } from './limits.js';
import { verify } from './verify.js';

const PIECE = 4 * 1024 ** 2;

export class Container {
  /**
   * Reads and checks header and manifest; no block is read.
   * @param input an ArrayBuffer, Uint8Array, Blob, File or Source that begins with the container
   * @param {{whole?: boolean}} options whole: nothing may lie behind the container
   */
  static async open(input, { whole = true } = {}) {
    const source = asSource(input);
    const header = parseHeader(await source.peek(0, HEADER_LENGTH), source.size, whole);
    const frame = await source.read(HEADER_LENGTH, header.manifestLength);
    checkDigest(header, frame);
    const raw = await decompress(frame, header.manifestRawLength, LIMITS.window);
    return new Container(source, header, parseManifest(raw, header));
  }

  constructor(source, header, manifest) {
    this.source = source;
    this.header = header;
    this.manifest = manifest;
  }

  get bounds() {
    return bounds(this.header.totalLength);
  }

  get digest() {
    return hex(this.header.digest);
  }

  get snapshotId() {
    return hex(this.manifest.snapshotId);
  }

  /** All bytes of the container. */
  bytes() {
    return this.source.read(0, this.header.totalLength);
  }

  /**
   * Reads the blocks of known kinds that `wanted` takes, and checks their hashes, records and objects.
   * With `all`, the hashes of blocks of unknown kinds too. Who takes a history block takes the state block that is its prefix.
   */
  async loadBlocks(wanted = () => true, all = false) {
    const { manifest } = this;
    const objects = new Objects(manifest.state.objectFormat, manifest.history.prerequisites.length > 0, this.bounds);
    const named = new Set(manifest.blocks.map(({ prefix }) => prefix));
    const prefixes = new Map();
    for (const [number, block] of manifest.blocks.entries()) {
      if (!(block.known ? wanted(block) : all)) continue;
      const wrong = (requirement) => fail('corrupt.block', requirement, `the SHA-256 of a ${block.kind} block does not match: bytes were changed`);
      if (!block.known) {
        if (!equal(await this.#hash(block), block.sha256)) wrong('JF-BLK-002');
        continue;
      }
      const frame = await this.source.read(block.offset, block.length);
      if (!equal(sha256(frame), block.sha256)) wrong('JF-BLK-005');
      const window = block.kind === 'history' ? LIMITS.historyWindow : LIMITS.window;
      const raw = await decompress(frame, block.rawLength, window, prefixes.get(block.prefix) ?? null);
      if (named.has(number)) prefixes.set(number, raw);
      objects.addBlock(raw, block);
    }
    this.objects = objects;
    return objects;
  }

  /** Of a block of any length. */
  async #hash({ offset, length }) {
    const hash = sha256.create();
    for (let at = 0; at < length; at += PIECE) hash.update(await this.source.read(offset + at, Math.min(PIECE, length - at)));
    return hash.digest();
  }

  async #stateObjects() {
    return this.objects ?? this.loadBlocks((block) => block.kind === 'state');
  }

  verify() {
    return verify(this);
  }

  /**
   * The files of the worktree (of HEAD where there is none), those of nested repositories and roots too.
   * @returns {Promise<{path: Uint8Array, mode: number, oid: Uint8Array, size: number}[]|null>} sorted by path; null where trees
   *   of a thin container are not in it
   */
  async files() {
    const objects = await this.#stateObjects();
    const out = new Map();
    const budget = flatBudget(this.bounds);
    for (const { state, full } of allStates(this.manifest.state)) {
      const { head, worktree } = flatTrees(objects, state, full, budget);
      const { entries, whole } = state.worktree === null ? head : worktree;
      if (!whole && objects.thin) return null;
      if (!whole) fail('missing.object', 'JF-NED-001', 'a tree that the state needs is not in the container');
      for (const [path, { mode, oid }] of entries) {
        if (mode !== SUBMODULE && !out.has(full + path)) out.set(full + path, { mode, oid, size: objects.get(oid)?.size ?? 0 });
      }
    }
    return [...out].sort((a, b) => (a[0] < b[0] ? -1 : 1))
      .map(([path, { mode, oid, size }]) => ({ path: unbinary(path), mode, oid: unbinary(oid), size }));
  }

  /** The bytes of one of `files()`; null where the path is none, or its blob is not in the container. */
  async cat(path) {
    const file = (await this.files())?.find((entry) => equal(entry.path, path));
    if (!file) return null;
    const objects = await this.#stateObjects();
    const oid = String.fromCharCode(...file.oid);
    return objects.has(oid) ? objects.content(oid) : null;
  }
}
