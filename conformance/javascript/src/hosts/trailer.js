// SPEC section 14.5, and the legacy torch files of 14.3.
import { equal } from '../bytes.js';
import { JellyError } from '../errors.js';
import { PartSource } from '../source.js';
import { MAGIC, HEADER_LENGTH, parseHeader, checkDigest } from '../header.js';
import { END_MAGIC, LOCATOR_LENGTH, locate } from './locator.js';

// A pickle of protocol 2 of torch's magic number 0x1950a86a20f9469cfc6c.
const LEGACY_TORCH = Uint8Array.of(0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e);
const CHUNK = 4 * 1024 ** 2;

export async function findInTrailer(source) {
  const end = Math.max(0, source.size - LOCATOR_LENGTH);
  const locator = await source.read(end, source.size - end);
  if (equal(locator.subarray(-END_MAGIC.length), END_MAGIC)) return { form: 'trailer', source: await locate(source, locator, end, 'JF-TRL-001', true), whole: true };
  const start = await source.peek(0, LEGACY_TORCH.length);
  return equal(start, LEGACY_TORCH) ? search(source) : null;
}

/** The first container magic at which the header's digest matches. */
async function search(source) {
  for (let at = 0; at < source.size; at += CHUNK) {
    const chunk = await source.peek(at, CHUNK + MAGIC.length - 1);
    for (let i = chunk.indexOf(MAGIC[0]); i >= 0 && i < CHUNK; i = chunk.indexOf(MAGIC[0], i + 1)) {
      if (!equal(chunk.subarray(i, i + MAGIC.length), MAGIC)) continue;
      const part = new PartSource(source, at + i, source.size - at - i);
      try {
        // Whether all of it is there is for its own reader to say.
        const header = parseHeader(await part.peek(0, HEADER_LENGTH), Infinity, false);
        checkDigest(header, await part.read(HEADER_LENGTH, header.manifestLength));
        return { form: 'tensor', source: part, whole: false };
      } catch (error) {
        if (!(error instanceof JellyError)) throw error;
      }
    }
  }
  return null;
}
