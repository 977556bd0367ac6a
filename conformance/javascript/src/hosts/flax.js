// SPEC section 14.12: whether a file is flax's msgpack, told by its first extension value. A container never lies in one.
import { binary, view } from '../bytes.js';

const REACH = 65_536;
const DEPTH = 512;
const KEY = 4096;
const DIMENSIONS = 64;
const DTYPE = 64;
const HEAD = 9;
const ARRAY_HEAD = 1 + 5 + HEAD * DIMENSIONS + 2 + DTYPE + 5;
const COMPLEX = 2;
const ARRAYS = [1, 3];

/** The head of the value at `at`: its kind, where its content begins and how long it is; null where there is no head. */
function head(bytes, at) {
  if (at >= bytes.length) return null;
  const tag = bytes[at];
  const here = (kind, body, length, rest = {}) => ({ kind, tag, body, end: body + length, count: 0, code: 0, ...rest });
  if (tag <= 0x7f || tag >= 0xe0) return here('integer', at + 1, 0);
  if (tag <= 0x8f) return here('map', at + 1, 0, { count: tag & 15 });
  if (tag <= 0x9f) return here('array', at + 1, 0, { count: tag & 15 });
  if (tag <= 0xbf) return here('str', at + 1, tag & 31);
  if (tag === 0xc0 || tag === 0xc2 || tag === 0xc3) return here('other', at + 1, 0);
  if (tag === 0xca || tag === 0xcb) return here('other', at + 1, tag === 0xca ? 4 : 8);
  if (tag >= 0xcc && tag <= 0xd3) return here('integer', at + 1, 1 << ((tag - 0xcc) % 4));
  if (tag >= 0xd4 && tag <= 0xd8) return at + 1 < bytes.length ? here('ext', at + 2, 1 << (tag - 0xd4), { code: bytes[at + 1] }) : null;
  const [kind, first] = [[0xc4, 'bin', 3], [0xc7, 'ext', 3], [0xd9, 'str', 3], [0xdc, 'array', 2], [0xde, 'map', 2]]
    .flatMap(([from, name, widths]) => (tag >= from && tag < from + widths ? [name, from] : []));
  if (kind === undefined) return null;
  const width = (['array', 'map'].includes(kind) ? 2 : 1) << (tag - first);
  const body = at + 1 + width;
  if (body + (kind === 'ext' ? 1 : 0) > bytes.length) return null;
  const numbers = view(bytes);
  const size = width === 1 ? bytes[at + 1] : width === 2 ? numbers.getUint16(at + 1) : numbers.getUint32(at + 1);
  if (kind === 'map' || kind === 'array') return here(kind, body, 0, { count: size });
  return kind === 'ext' ? here(kind, body + 1, size, { code: bytes[body] }) : here(kind, body, size);
}

/** Whether the content of an extension value is `[shape, dtype, bytes]` and nothing behind it. */
function isArray(bytes, length) {
  const outer = head(bytes, 0);
  if (outer?.kind !== 'array' || outer.count !== 3 || outer.body !== 1) return false;
  const shape = head(bytes, 1);
  if (shape?.kind !== 'array' || shape.count > DIMENSIONS) return false;
  let at = shape.body;
  for (let i = 0; i < shape.count; i++) {
    const size = head(bytes, at);
    if (size?.kind !== 'integer' || size.tag >= 0xd0) return false;
    at = size.end;
  }
  const dtype = head(bytes, at);
  if (dtype?.kind !== 'str' || dtype.end - dtype.body < 1 || dtype.end - dtype.body > DTYPE) return false;
  if (/[^\x00-\x7f]/.test(binary(bytes.subarray(dtype.body, dtype.end)))) return false;
  const content = head(bytes, dtype.end);
  return content?.kind === 'bin' && content.end === length;
}

function isOurs(bytes, { code, body, end }) {
  const length = end - body;
  if (code === COMPLEX) return length === 19 && bytes[0] === 0x92 && bytes[1] === 0xcb && bytes[10] === 0xcb;
  return ARRAYS.includes(code) && isArray(bytes, length);
}

export async function isFlax(source) {
  const start = await source.peek(0, REACH + ARRAY_HEAD + 2 * HEAD + KEY);
  if (!['map', 'array', 'ext'].includes(head(start, 0)?.kind)) return false;
  const around = [];
  let at = 0;
  for (;;) {
    const value = at < REACH ? head(start, at) : null;
    if (value === null || value.end > source.size) return false;
    if (value.kind === 'ext') return isOurs(start.subarray(value.body, Math.min(value.end, value.body + ARRAY_HEAD)), value);
    at = value.end;
    if (value.kind === 'map' || value.kind === 'array') {
      if (around.length === DEPTH) return false;
      around.push({ map: value.kind === 'map', left: value.count });
    }
    while (around.length > 0 && around.at(-1).left === 0) around.pop();
    if (around.length === 0) return false;
    around.at(-1).left -= 1;
    if (around.at(-1).map) {
      const key = head(start, at);
      if (key === null || key.end > source.size || !(key.kind === 'integer' || (key.kind === 'str' && key.end - key.body <= KEY))) return false;
      at = key.end;
    }
  }
}
