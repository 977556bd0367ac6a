// SPEC section 4.
import { fail } from './errors.js';
import { equal, view, concat } from './bytes.js';
import { sha256 } from './hash.js';
import { LIMITS, bounds } from './limits.js';

export const MAGIC = Uint8Array.of(0x89, 0x4a, 0x45, 0x4c, 0x4c, 0x59, 0x0d, 0x0a);
export const HEADER_LENGTH = 72;

/**
 * @param {Uint8Array} bytes the first 72 bytes, or fewer where there are no more
 * @param {number} available how many bytes there are from the header's first on
 * @param {boolean} whole whether the container must fill them (a `.jelly` file)
 */
export function parseHeader(bytes, available, whole) {
  if (!equal(bytes.subarray(0, 8), MAGIC)) fail('malformed.magic', 'JF-HDR-001', 'this is not a container');
  if (bytes.length > 8 && bytes[8] !== 1) fail('unsupported.version', 'JF-HDR-002', `major version ${bytes[8]}`);
  if (bytes.subarray(9, 16).some((byte) => byte !== 0)) fail('malformed.header', 'JF-HDR-003', 'a reserved byte is not zero');
  if (bytes.length < HEADER_LENGTH) fail('truncated', 'JF-HDR-004', `the header ends after ${bytes.length} bytes`);
  const numbers = view(bytes);
  const manifestLength = numbers.getBigUint64(16);
  const manifestRawLength = numbers.getBigUint64(24);
  const totalLength = numbers.getBigUint64(32);
  if (totalLength < BigInt(HEADER_LENGTH) + manifestLength) {
    fail('malformed.header', 'JF-HDR-005', 'the total length is less than header and manifest');
  }
  if (manifestLength === 0n || manifestRawLength === 0n) fail('malformed.header', 'JF-HDR-006', 'a manifest of no bytes');
  // A bigint and a number compare as they are.
  if (whole && totalLength < available) {
    fail('malformed.header', 'JF-HDR-010', `${BigInt(available) - totalLength} bytes behind the container`);
  }
  if (totalLength > available) {
    fail('truncated', 'JF-HDR-004', `${available} of ${totalLength} bytes are there`);
  }
  if (manifestLength > BigInt(LIMITS.manifestLength) || manifestRawLength > bounds(Number(totalLength)).manifestRawLength) {
    fail('limit.size', 'JF-HDR-007', 'the manifest is too long');
  }
  return {
    bytes,
    manifestLength: Number(manifestLength),
    manifestRawLength: Number(manifestRawLength),
    totalLength: Number(totalLength),
    digest: bytes.slice(40, 72),
  };
}

export const headerDigest = (header, frame) => sha256(concat(header.bytes.subarray(0, 40), frame));

export function checkDigest(header, frame) {
  if (!equal(headerDigest(header, frame), header.digest)) {
    fail('corrupt.manifest', 'JF-HDR-008', 'the digest does not match: bytes of the header or manifest were changed');
  }
}
