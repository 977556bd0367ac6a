// SPEC sections 14.6 and 14.8: the extensions that tie a container to its host.
import { fail } from './errors.js';
import { binary } from './bytes.js';
import { LIMITS } from './limits.js';

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

/** Whether the extensions that SPEC registers are as they have to be. The host is not looked at. */
export function checkExtensions(extensions) {
  for (const [name, isGood, requirement] of [['sidecar', isSidecar, 'JF-SDC-002'], ['binding', isBinding, 'JF-BND-002']]) {
    if (extensions.has(name) && !isGood(extensions.get(name))) fail('malformed.manifest', requirement, `the extension ${name} is not as it has to be`);
  }
}
