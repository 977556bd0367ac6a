// SPEC section 6: one value, one encoding. Maps become Map, str string, bin Uint8Array (a view), integers number, or bigint beyond 2^53.
import { fail } from './errors.js';
import { utf8, view, binary } from './bytes.js';
import { LIMITS } from './limits.js';

const bad = (requirement, message) => fail('malformed.msgpack', requirement, message);

export class Decoder {
  /** @param {{left: number}} budget how many values there may be; it is counted down, and can be shared */
  constructor(bytes, budget) {
    this.bytes = bytes;
    this.numbers = view(bytes);
    this.at = 0;
    this.budget = budget;
    /** Byte ranges of the values of the outermost map's keys, for the snapshot id. */
    this.ranges = new Map();
  }

  take(length) {
    if (length > this.bytes.length - this.at) bad('JF-MSG-006', `the value ends after the ${this.bytes.length} bytes that are there`);
    const at = this.at;
    this.at += length;
    return at;
  }

  sized(width, least) {
    const at = this.take(width);
    const size = width === 1 ? this.bytes[at] : width === 2 ? this.numbers.getUint16(at) : this.numbers.getUint32(at);
    if (size < least) bad('JF-MSG-002', `a length of ${size} in ${width} bytes at ${at}`);
    return size;
  }

  str(length) {
    const at = this.take(length);
    const text = utf8(this.bytes.subarray(at, at + length));
    if (text === null) bad('JF-MSG-004', `a str that is not UTF-8 at ${at}`);
    return text;
  }

  bin(length) {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }

  deeper(depth) {
    if (depth >= LIMITS.msgpackDepth) fail('limit.depth', 'JF-MSG-005', `values nested deeper than ${LIMITS.msgpackDepth}`);
    return depth + 1;
  }

  array(count, depth) {
    const inner = this.deeper(depth);
    const out = [];
    for (let i = 0; i < count; i++) out.push(this.value(inner));
    return out;
  }

  map(count, depth) {
    const inner = this.deeper(depth);
    const out = new Map();
    let before = null;
    for (let i = 0; i < count; i++) {
      const start = this.at;
      const key = this.value(inner);
      if (typeof key !== 'string') bad('JF-MSG-003', `a key that is not a str at ${start}`);
      const bytes = binary(new TextEncoder().encode(key));
      if (before !== null && !(before < bytes)) bad('JF-MSG-003', `keys not sorted, or one twice, at ${start}`);
      before = bytes;
      const from = this.at;
      out.set(key, this.value(inner));
      if (depth === 0) this.ranges.set(key, [from, this.at]);
    }
    return out;
  }

  unsigned(width, least) {
    const at = this.take(width);
    const value = width === 1 ? this.bytes[at] : width === 2 ? this.numbers.getUint16(at)
      : width === 4 ? this.numbers.getUint32(at) : this.numbers.getBigUint64(at);
    return this.shortest(value, value >= least, at);
  }

  signed(width, most) {
    const at = this.take(width);
    const value = width === 1 ? this.numbers.getInt8(at) : width === 2 ? this.numbers.getInt16(at)
      : width === 4 ? this.numbers.getInt32(at) : this.numbers.getBigInt64(at);
    return this.shortest(value, value < most, at);
  }

  shortest(value, ok, at) {
    if (!ok) bad('JF-MSG-002', `an integer that is not in its shortest form at ${at}`);
    return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  value(depth = 0) {
    this.budget.left -= 1;
    if (this.budget.left < 0) fail('limit.count', 'JF-MSG-007', 'more values than a container of this length may have');
    const byte = this.bytes[this.take(1)];
    if (byte <= 0x7f) return byte;
    if (byte <= 0x8f) return this.map(byte & 0x0f, depth);
    if (byte <= 0x9f) return this.array(byte & 0x0f, depth);
    if (byte <= 0xbf) return this.str(byte & 0x1f);
    if (byte >= 0xe0) return byte - 256;
    switch (byte) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return this.bin(this.sized(1, 0));
      case 0xc5: return this.bin(this.sized(2, 0x100));
      case 0xc6: return this.bin(this.sized(4, 0x10000));
      case 0xcc: return this.unsigned(1, 0x80);
      case 0xcd: return this.unsigned(2, 0x100);
      case 0xce: return this.unsigned(4, 0x10000);
      case 0xcf: return this.unsigned(8, 0x100000000n);
      case 0xd0: return this.signed(1, -0x20);
      case 0xd1: return this.signed(2, -0x80);
      case 0xd2: return this.signed(4, -0x8000);
      case 0xd3: return this.signed(8, -0x80000000n);
      case 0xd9: return this.str(this.sized(1, 32));
      case 0xda: return this.str(this.sized(2, 0x100));
      case 0xdb: return this.str(this.sized(4, 0x10000));
      case 0xdc: return this.array(this.sized(2, 16), depth);
      case 0xdd: return this.array(this.sized(4, 0x10000), depth);
      case 0xde: return this.map(this.sized(2, 16), depth);
      case 0xdf: return this.map(this.sized(4, 0x10000), depth);
      default: return bad('JF-MSG-001', `type ${byte.toString(16)} at ${this.at - 1} is not used`);
    }
  }
}

/** Exactly one value that fills `bytes`, of no more than `most` values. */
export function decodeOne(bytes, most) {
  const decoder = new Decoder(bytes, { left: most });
  const value = decoder.value();
  if (decoder.at !== bytes.length) bad('JF-MSG-006', `${bytes.length - decoder.at} bytes behind the value`);
  return { value, ranges: decoder.ranges };
}
