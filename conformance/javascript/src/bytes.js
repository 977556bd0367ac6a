// Byte strings. Paths and object ids are kept as "binary strings" inside (one character of 0 to 255 per byte):
// they can be keys of a Map, and < compares them by unsigned bytes.

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

export function hex(bytes) {
  let out = '';
  for (const byte of bytes) out += HEX[byte];
  return out;
}

export function binary(bytes) {
  let out = '';
  for (let i = 0; i < bytes.length; i += 4096) out += String.fromCharCode.apply(null, bytes.subarray(i, i + 4096));
  return out;
}

export function unbinary(string) {
  const out = new Uint8Array(string.length);
  for (let i = 0; i < string.length; i++) out[i] = string.charCodeAt(i);
  return out;
}

export const hexOf = (string) => hex(unbinary(string));

export function fromHex(text) {
  const out = new Uint8Array(text.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return out;
}

export function equal(a, b) {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export const ascii = (text) => new TextEncoder().encode(text);

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** RFC 3629 text, or null. */
export function utf8(bytes) {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

/** For people to read: what is not UTF-8, and control characters, are shown as \xNN. */
export function printable(bytes) {
  const text = utf8(bytes);
  const source = text ?? binary(bytes);
  return source.replace(text === null ? /[^\x20-\x7e]/g : /[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (c) => (c.charCodeAt(0) < 256 ? `\\x${HEX[c.charCodeAt(0)]}` : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`));
}
