// SPEC sections 15 to 17: the registered extensions.
import { fail } from './errors.js';
import { binary } from './bytes.js';
import { LIMITS } from './limits.js';
import { checkLength, checkSafe } from './paths.js';

const isBin = (it, length = null) => it instanceof Uint8Array && (length === null || it.length === length);
const isCount = (it, most = null) => (typeof it === 'number' || typeof it === 'bigint') && it >= 0 && (most === null || it <= most);
const hasKeys = (it, keys) => it instanceof Map && it.size === keys.length && keys.every((key) => it.has(key));

function isSidecar(it) {
  if (!hasKeys(it, ['name', 'sha256', 'size'])) return false;
  const name = it.get('name');
  if (!isBin(name) || name.length < 1 || name.length > LIMITS.component || name.includes(0) || name.includes(0x2f)) return false;
  return !['.', '..'].includes(binary(name)) && isBin(it.get('sha256'), 32) && isCount(it.get('size'));
}

function isBinding(it) {
  if (!hasKeys(it, ['count', 'kind', 'leaves', 'root'])) return false;
  if (!isCount(it.get('count'), LIMITS.weights) || typeof it.get('kind') !== 'string' || !isBin(it.get('root'), 32)) return false;
  const leaves = it.get('leaves');
  if (leaves === null) return true;
  if (!Array.isArray(leaves) || BigInt(leaves.length) !== BigInt(it.get('count'))) return false;
  if (!leaves.every((leaf) => Array.isArray(leaf) && leaf.length === 2 && isBin(leaf[0]) && isBin(leaf[1], 8))) return false;
  const before = ([name, check], [next, other]) => (binary(name) === binary(next) ? binary(check) <= binary(other) : binary(name) < binary(next));
  return leaves.every((leaf, i) => i === 0 || before(leaves[i - 1], leaf));
}

const MOST = { labels: 1000, label: 128, value: 4096, note: 65_536, edited: 100_000, signatures: 64, format: 64, signature: 65_536 };

/** A str of so many bytes. */
const isText = (it, least, most) => {
  if (typeof it !== 'string') return false;
  const { length } = new TextEncoder().encode(it);
  return length >= least && length <= most;
};

const isLabel = ([key, text]) => isText(key, 1, MOST.label) && !/[\x00-\x1f\x7f]/.test(key) && isText(text, 0, MOST.value);

const isLabels = (it) => it instanceof Map && it.size <= MOST.labels && [...it].every(isLabel);

const isNote = (it) => isText(it, 0, MOST.note);

function isRun(it) {
  if (!hasKeys(it, ['id', 'parent', 'sequence']) || !isBin(it.get('id'), 16) || !isCount(it.get('sequence'))) return false;
  return it.get('parent') === null || (isBin(it.get('parent'), 32) && it.get('sequence') > 0);
}

function isEdited(it) {
  if (!Array.isArray(it) || it.length > MOST.edited || !it.every((path) => isBin(path))) return false;
  const paths = it.map((path) => binary(path));
  if (!paths.every((path, i) => i === 0 || paths[i - 1] < path)) return false;
  for (const path of paths) {
    checkLength(path, true);
    checkSafe(path, 'JF-EXT-004');
  }
  return true;
}

const isSignature = (it) => hasKeys(it, ['format', 'signature']) && isText(it.get('format'), 1, MOST.format)
  && isBin(it.get('signature')) && it.get('signature').length >= 1 && it.get('signature').length <= MOST.signature;

const isSignatures = (it) => Array.isArray(it) && it.length >= 1 && it.length <= MOST.signatures && it.every(isSignature);

const REGISTERED = [
  ['sidecar', isSidecar, 'JF-SDC-002'], ['binding', isBinding, 'JF-BND-002'], ['labels', isLabels, 'JF-EXT-001'], ['note', isNote, 'JF-EXT-002'],
  ['run', isRun, 'JF-EXT-003'], ['edited', isEdited, 'JF-EXT-004'], ['signatures', isSignatures, 'JF-EXT-005'],
];

/** Whether the extensions that SPEC registers are as they have to be. The host is not looked at, and no signature is verified. */
export function checkExtensions({ extensions, history }) {
  for (const [name, isGood, requirement] of REGISTERED) {
    if (extensions.has(name) && !isGood(extensions.get(name))) fail('malformed.manifest', requirement, `the extension ${name} is not as it has to be`);
  }
  if (extensions.has('signatures') && history.prerequisites.length > 0) fail('malformed.manifest', 'JF-SIG-001', 'signatures of a container that does not stand alone');
}
