// SPEC section 11, the profile `full`. Of what lies between its column and the third, this reader takes what memory allows.
const KiB = 1024;
const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

export const LIMITS = Object.freeze({
  manifestLength: 64 * MiB,
  manifestRawLength: 256 * MiB,
  blocks: 1024,
  blockLength: 320 * MiB,
  blockRawLength: 256 * MiB,
  otherRawLength: 8 * GiB,
  prefixLeast: 8,
  prefixMost: 64 * MiB,
  object: 256 * MiB,
  allRecords: 4_000_000,
  window: 8 * MiB,
  historyWindow: 128 * MiB,
  chain: 50,
  nested: 8,
  msgpackDepth: 40,
  component: 255,
  path: 4096,
  components: 256,
  nestedPath: 36_872,
  nestedComponents: 2304,
  weights: 1_000_000,
  legacyPlaces: 64,
  legacyManifests: 64 * MiB,
});

/** The limits of a container of `length` bytes. */
export const bounds = (length) => ({
  manifestRawLength: Math.min(16 * MiB + 64 * length, LIMITS.manifestRawLength),
  values: Math.min(256 * KiB + 2 * length, 4_000_000),
  states: 1024 + Math.floor(length / 256),
  allRawLengths: Math.min(256 * MiB + 512 * length, GiB),
  allObjectBytes: Math.min(256 * MiB + 512 * length, 4 * GiB),
  flatEntries: Math.min(256 * KiB + length, 3_000_000),
  flatPaths: Math.min(32 * MiB + 128 * length, 256 * MiB),
  treeEntries: MiB + 32 * length,
});
