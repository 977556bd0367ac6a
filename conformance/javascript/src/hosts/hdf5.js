// SPEC section 14.9: locator and container in the user block in front of the file.
import { fail } from '../errors.js';
import { concat, equal, view } from '../bytes.js';
import { sha256 } from '../hash.js';
import { PartSource } from '../source.js';
import { HEADER_LENGTH } from '../header.js';
import { END_MAGIC, LOCATOR_LENGTH } from './locator.js';

export const SIGNATURE = Uint8Array.of(0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a);
const LEAST_BLOCK = 512n;

const bad = (message, requirement = 'JF-LOC-001') => fail('corrupt.locator', requirement, message);

export const hasLocator = (start) => start.length >= LOCATOR_LENGTH && equal(start.subarray(LOCATOR_LENGTH - END_MAGIC.length, LOCATOR_LENGTH), END_MAGIC);

export async function findInHdf5(source) {
  const locator = await source.peek(0, LOCATOR_LENGTH);
  if (!hasLocator(locator)) return null;
  const [offset, length, hostLength] = [0, 8, 16].map((at) => view(locator).getBigUint64(at));
  if (offset !== BigInt(LOCATOR_LENGTH) || hostLength !== 0n) bad('the container does not begin behind the locator', 'JF-HDF-001');
  if (length < BigInt(HEADER_LENGTH)) bad('a container of no header');
  const needed = offset + length;
  let block = LEAST_BLOCK;
  while (block < needed) block *= 2n;
  if (block + BigInt(SIGNATURE.length) > BigInt(source.size)) bad('no HDF5 file behind the user block', 'JF-HDF-001');
  const header = await source.read(LOCATOR_LENGTH, HEADER_LENGTH);
  if (!equal(sha256(concat(locator.subarray(0, 24), header)), locator.subarray(24, 56))) bad('the SHA-256 of the locator does not match');
  if (view(header).getBigUint64(32) !== length) bad('the locator and the container differ about its length');
  if (!equal(await source.read(Number(block), SIGNATURE.length), SIGNATURE)) bad('no HDF5 file behind the user block', 'JF-HDF-001');
  return { form: 'user block', source: new PartSource(source, LOCATOR_LENGTH, Number(length)), whole: true };
}
