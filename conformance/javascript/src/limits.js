// SPEC section 11. What lies between the two columns may be rejected; this reader supports the middle column, and for the
// manifest the right one.
const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

export const LIMITS = Object.freeze({
  manifestLength: 64 * MiB,
  manifestRawLength: 256 * MiB,
  blocks: 1024,
  blockLength: 320 * MiB,
  blockRawLength: 256 * MiB,
  allRawLengths: GiB,
  object: 256 * MiB,
  allObjectBytes: 4 * GiB,
  allRecords: 4_000_000,
  treeEntries: 1_000_000,
  window: 8 * MiB,
  historyWindow: 128 * MiB,
  chain: 50,
  nested: 8,
  msgpackDepth: 40,
  component: 255,
  path: 4096,
  components: 256,
  weights: 1_000_000,
});
