// SPEC section 14.5, and the legacy torch files of 14.3.
import { binary, equal } from '../bytes.js';
import { JellyError, fail } from '../errors.js';
import { PartSource } from '../source.js';
import { MAGIC, HEADER_LENGTH, parseHeader, checkDigest } from '../header.js';
import { LIMITS } from '../limits.js';
import { END_MAGIC, LOCATOR_LENGTH, locate } from './locator.js';

// A pickle of torch's magic number 0x1950a86a20f9469cfc6c: of protocol 0, and of 2 and later ones, from 4 on with or without a frame.
const LONGEST = 64;
const isLegacyTorch = (start) => /^(L119547037146038801333356L\n\.|\x80([\x02-\xff]|[\x04-\xff]\x95[\s\S]{8})\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\.)/.test(binary(start));
const CHUNK = 4 * 1024 ** 2;

export async function findInTrailer(source) {
  const end = Math.max(0, source.size - LOCATOR_LENGTH);
  const locator = await source.read(end, source.size - end);
  if (equal(locator.subarray(-END_MAGIC.length), END_MAGIC)) return { form: 'trailer', source: await locate(source, locator, end, 'JF-TRL-001', true), whole: true };
  return isLegacyTorch(await source.peek(0, LONGEST)) ? search(source) : null;
}

/** The first place at which a faultless header stands whose manifest is there and whose digest matches. */
async function search(source) {
  let [places, hashed] = [0, 0];
  for (let at = 0; at < source.size; at += CHUNK) {
    const chunk = await source.peek(at, CHUNK + MAGIC.length - 1);
    for (let i = chunk.indexOf(MAGIC[0]); i >= 0 && i < CHUNK; i = chunk.indexOf(MAGIC[0], i + 1)) {
      if (!equal(chunk.subarray(i, i + MAGIC.length), MAGIC)) continue;
      const part = new PartSource(source, at + i, source.size - at - i);
      try {
        // Whether all of it is there is for its own reader to say.
        const header = parseHeader(await part.peek(0, HEADER_LENGTH), Infinity, false);
        if (HEADER_LENGTH + header.manifestLength > part.size) continue;
        places += 1;
        hashed += header.manifestLength;
        if (places > LIMITS.legacyPlaces || hashed > LIMITS.legacyManifests) fail('limit.count', 'JF-TEN-001', 'too many places that look like a container');
        checkDigest(header, await part.read(HEADER_LENGTH, header.manifestLength));
        return { form: 'tensor', source: part, whole: false };
      } catch (error) {
        if (!(error instanceof JellyError) || error.requirement === 'JF-TEN-001') throw error;
      }
    }
  }
  return null;
}
