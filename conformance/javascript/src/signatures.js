// SPEC section 13: signatures of a container, by PROTOCOL.sshsig of OpenSSH; those of Ed25519 keys are verified, with WebCrypto.
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { ascii, binary, concat, equal, utf8, view } from './bytes.js';
import { HEADER_LENGTH } from './header.js';
import { LIMITS } from './limits.js';
import { decodeOne } from './msgpack.js';
import { decompress } from './zstd.js';

const MAGIC = ascii('SSHSIG');
const NAMESPACE = 'container@jellyformat.org';
const KEY = 'ssh-ed25519';
const HASHES = { sha256, sha512 };
/** No signature covers them. */
const UNSIGNED = ['signatures', 'sidecar'];
/** What stands in front of the keys of a map, by its first byte. */
const headLength = (byte) => (byte === 0xde ? 3 : byte === 0xdf ? 5 : 1);

function mapHead(count) {
  if (count < 16) return Uint8Array.of(0x80 | count);
  const bytes = new Uint8Array(count < 0x10000 ? 3 : 5);
  bytes[0] = count < 0x10000 ? 0xde : 0xdf;
  if (count < 0x10000) view(bytes).setUint16(1, count);
  else view(bytes).setUint32(1, count);
  return bytes;
}

/** What is signed: the manifest without what no signature covers. One value has one encoding, so parts of it are taken as they stand. */
export async function signedBytes({ source, header, bounds }) {
  const raw = await decompress(await source.read(HEADER_LENGTH, header.manifestLength), header.manifestRawLength, LIMITS.window);
  const [from, to] = decodeOne(raw, bounds.values).ranges.get('extensions');
  const map = raw.subarray(from, to);
  const { ranges } = decodeOne(map, map.length);
  const kept = [];
  let at = headLength(map[0]);
  for (const [key, [, end]] of ranges) {
    if (!UNSIGNED.includes(key)) kept.push(map.subarray(at, end));
    at = end;
  }
  return concat(ascii('jellyformat container 1\0'), raw.subarray(0, from), mapHead(kept.length), ...kept, raw.subarray(to));
}

/** Parts with their length in front, as SSH writes them; null where they are not exactly `count`. */
function parts(bytes, count) {
  const out = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (bytes.length - at < 4) return null;
    const length = view(bytes).getUint32(at);
    if (length > bytes.length - at - 4) return null;
    out.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return at === bytes.length ? out : null;
}

const framed = (bytes) => {
  const out = new Uint8Array(4 + bytes.length);
  view(out).setUint32(0, bytes.length);
  out.set(bytes, 4);
  return out;
};

const base64 = (bytes) => btoa(binary(bytes)).replace(/=+$/, '');

/** The first of the parts of a public key, its type; null where it is none. */
function keyType(key) {
  if (key.length < 4 || view(key).getUint32(0) > key.length - 4) return null;
  const name = utf8(key.subarray(4, 4 + view(key).getUint32(0)));
  return name !== null && /^[!-~]{1,255}$/.test(name) ? name : null;
}

/** Whether Ed25519 holds; null where this platform has none. */
async function ed25519(key, value, data) {
  try {
    const made = await crypto.subtle.importKey('raw', key, { name: 'Ed25519' }, false, ['verify']);
    return await crypto.subtle.verify({ name: 'Ed25519' }, made, value, data);
  } catch (error) {
    if (error.name === 'DataError') return false;
    return null;
  }
}

/** What a signature says of itself, and its parts; null for these where it cannot be read. */
function claim(format, blob) {
  const told = { format, key_type: null, fingerprint: null };
  if (format !== 'sshsig') return [told, null];
  const found = blob.length > 10 && equal(blob.subarray(0, 6), MAGIC) && view(blob).getUint32(6) === 1 ? parts(blob.subarray(10), 5) : null;
  const type = found && keyType(found[0]);
  return type ? [{ ...told, key_type: type, fingerprint: `SHA256:${base64(sha256(found[0]))}` }, found] : [told, null];
}

async function check(format, blob, message) {
  const [claimed, found] = claim(format, blob);
  const told = { ...claimed, holds: null };
  if (format !== 'sshsig') return told;
  if (found === null) return { ...told, holds: false };
  const { key_type: type } = told;
  const [key, namespace, reserved, hash, signature] = found;
  const name = utf8(hash);
  if (utf8(namespace) !== NAMESPACE || !Object.hasOwn(HASHES, name ?? '')) return { ...told, holds: false };
  if (type !== KEY) return told;
  const [, point] = parts(key, 2) ?? [];
  const [algorithm, value] = parts(signature, 2) ?? [];
  if (point?.length !== 32 || value?.length !== 64 || utf8(algorithm) !== KEY) return { ...told, holds: false };
  const data = concat(MAGIC, framed(namespace), framed(reserved), framed(hash), framed(HASHES[name](message)));
  return { ...told, holds: await ed25519(point, value, data) };
}

const isSignature = (it) => it instanceof Map && typeof it.get('format') === 'string' && it.get('signature') instanceof Uint8Array;

/**
 * By which keys a container says that it is signed. Nothing of it is checked.
 * @returns {{format: string|null, key_type: string|null, fingerprint: string|null}[]}
 */
export function claims({ manifest }) {
  const found = manifest.extensions.get('signatures');
  return Array.isArray(found) ? found.map((it) => claim(...(isSignature(it) ? [it.get('format'), it.get('signature')] : [null, null]))[0]) : [];
}

/**
 * What is known of each signature of a container. Who may sign is for the caller to say: `fingerprint` tells the key.
 * @returns {Promise<{format: string, key_type: string|null, fingerprint: string|null, holds: boolean|null}[]>} holds: whether it is of
 *   this container; null where that cannot be told here. One of a container that does not stand alone never does (JF-SIG-001)
 */
export async function signatures(container) {
  const { manifest } = container;
  const found = manifest.extensions.get('signatures');
  if (!Array.isArray(found)) return [];
  const message = await signedBytes(container);
  const thin = manifest.history.prerequisites.length > 0;
  const all = found.map((it) => (isSignature(it)
    ? check(it.get('format'), it.get('signature'), message) : { format: null, key_type: null, fingerprint: null, holds: false }));
  return (await Promise.all(all)).map((told) => (thin ? { ...told, holds: false } : told));
}
