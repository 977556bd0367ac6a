// SPEC section 14: is there a container, and at what bytes. Nothing of a host is unpickled or executed.
import { fail } from '../errors.js';
import { equal, view } from '../bytes.js';
import { asSource } from '../source.js';
import { MAGIC } from '../header.js';
import { findInZip } from './zip.js';
import { findInSafetensors } from './safetensors.js';
import { SIGNATURE, findInHdf5, hasLocator } from './hdf5.js';
import { findInOnnx, model } from './onnx.js';
import { findInTrailer } from './trailer.js';
import { isFlax } from './flax.js';

export const HOSTS = ['jelly', 'zip', 'safetensors', 'hdf5', 'gguf', 'onnx', 'flax', 'trailer'];

const starts = (bytes, ...magic) => equal(bytes.subarray(0, magic.length), magic);

async function detect(source) {
  const start = await source.peek(0, 64);
  if (starts(start, ...MAGIC)) return 'jelly';
  if (starts(start, 0x50, 0x4b, 0x03, 0x04) || starts(start, 0x50, 0x4b, 0x05, 0x06)) return 'zip';
  if (start.length >= 9 && start[8] === 0x7b) {
    const length = view(start).getBigUint64(0, true);
    if (length >= 2n && length <= 100_000_000n && 8n + length <= BigInt(source.size)) return 'safetensors';
  }
  if (starts(start, ...SIGNATURE) || hasLocator(start)) return 'hdf5';
  if (starts(start, 0x47, 0x47, 0x55, 0x46) && start.length >= 8 && [2, 3].includes(view(start).getUint32(4, true))) return 'gguf';
  if ((await model(source)) !== null) return 'onnx';
  return await isFlax(source) ? 'flax' : 'trailer';
}

/** The kind of host, and what is found in it: null where it has no container. */
export async function look(source, kind = null) {
  const host = kind ?? await detect(source);
  switch (host) {
    case 'jelly': return { host, found: { form: 'bare', source, whole: true } };
    case 'zip': return { host, found: await findInZip(source) };
    case 'safetensors': return { host, found: await findInSafetensors(source) };
    case 'hdf5': return { host, found: await findInHdf5(source) };
    case 'onnx': return { host, found: await findInOnnx(source) };
    case 'flax': return { host, found: null };
    default: return { host, found: await findInTrailer(source) };
  }
}

/**
 * @returns {Promise<{host: string, form: string, source: import('../source.js').Source, whole: boolean}>}
 *   `source` begins with the container; `whole`: and must end with it
 */
export async function find(input, kind = null) {
  const { host, found } = await look(asSource(input), kind);
  if (found === null) fail('absent.snapshot', null, `this file (${host}) has no container`);
  return { host, ...found };
}
