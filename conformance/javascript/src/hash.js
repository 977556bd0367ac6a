import { sha256 } from '@noble/hashes/sha2.js';
import { sha1 } from '@noble/hashes/legacy.js';
import { ascii, binary } from './bytes.js';

export { sha256 };

const KINDS = { 1: 'commit', 2: 'tree', 3: 'blob' };

/** SPEC section 2: git's object id, as a binary string. */
export function objectId(format, kind, content) {
  const hash = (format === 'sha256' ? sha256 : sha1).create();
  hash.update(ascii(`${KINDS[kind]} ${content.length}\0`));
  hash.update(content);
  return binary(hash.digest());
}
