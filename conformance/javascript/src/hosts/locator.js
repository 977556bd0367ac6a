// SPEC section 14.1.
import { fail } from '../errors.js';
import { concat, equal, view } from '../bytes.js';
import { sha256 } from '../hash.js';
import { PartSource } from '../source.js';
import { HEADER_LENGTH } from '../header.js';

export const LOCATOR_LENGTH = 64;
export const END_MAGIC = Uint8Array.of(0x0a, 0x0d, 0x59, 0x4c, 0x4c, 0x45, 0x4a, 0x89);

/**
 * @param {number} end where the container must have ended
 * @param {string} requirement the id for one that has not
 * @param {boolean} exact whether host, container and `end` lie one behind the other
 */
export async function locate(source, locator, end, requirement = 'JF-LOC-001', exact = false) {
  const bad = (message, id = 'JF-LOC-001') => fail('corrupt.locator', id, message);
  if (locator.length < LOCATOR_LENGTH) bad('the locator is cut off');
  const numbers = view(locator);
  const [offset, length, hostLength] = [0, 8, 16].map((at) => numbers.getBigUint64(at));
  if (offset < hostLength || offset + length > BigInt(source.size - LOCATOR_LENGTH) || length < BigInt(HEADER_LENGTH)) {
    bad('the container does not lie between the host length and the locator');
  }
  if (offset + length > BigInt(end)) bad('the container reaches into the end record', requirement);
  const header = await source.read(Number(offset), HEADER_LENGTH);
  if (!equal(sha256(concat(locator.subarray(0, 24), header)), locator.subarray(24, 56))) bad('the SHA-256 of the locator does not match');
  if (view(header).getBigUint64(32) !== length) bad('the locator and the container differ about its length');
  if (exact && (offset !== hostLength || offset + length !== BigInt(end))) bad('host, container and locator do not lie one behind the other', requirement);
  return new PartSource(source, Number(offset), Number(length));
}
