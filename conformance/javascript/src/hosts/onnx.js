// SPEC section 14.10: the outermost fields of a protocol buffers message.
import { fail } from '../errors.js';
import { equal, view } from '../bytes.js';
import { PartSource } from '../source.js';
import { MAGIC, HEADER_LENGTH } from '../header.js';

const OURS = 4867404;
const MOST_FIELDS = 65_536;
const MOST_VARINT = 10;
const WINDOW = 4096;
const [IR_VERSION, GRAPH, OPSETS] = [1, 7, 8];
const [VARINT, EIGHT, LENGTH, FOUR] = [0, 1, 2, 5];

/** The outermost fields: [number, type, offset and length of the value]; null where these are not fields that fill the file. */
async function fields(source) {
  let window = { at: 0, bytes: new Uint8Array() };
  const near = async (at) => {
    if (at < window.at || at + 2 * MOST_VARINT > window.at + window.bytes.length) window = { at, bytes: await source.peek(at, WINDOW) };
    return window.bytes.subarray(at - window.at);
  };
  const varint = (bytes, from) => {
    let value = 0n;
    for (let i = 0; i < MOST_VARINT && from + i < bytes.length; i++) {
      value |= BigInt(bytes[from + i] & 0x7f) << BigInt(7 * i);
      if (bytes[from + i] < 0x80) return { value, end: from + i + 1 };
    }
    return null;
  };
  const out = [];
  let at = 0;
  while (at < source.size) {
    const bytes = await near(at);
    const tag = varint(bytes, 0);
    if (tag === null || tag.value >= 1n << 32n || out.length === MOST_FIELDS) return null;
    const [number, type] = [Number(tag.value >> 3n), Number(tag.value & 7n)];
    if (number === 0) return null;
    let [begin, length] = [tag.end, { [EIGHT]: 8, [FOUR]: 4 }[type]];
    if (type === VARINT || type === LENGTH) {
      const found = varint(bytes, tag.end);
      if (found === null) return null;
      if (type === VARINT) length = found.end - tag.end;
      else if (found.value > BigInt(source.size)) return null;
      else [begin, length] = [found.end, Number(found.value)];
    }
    if (length === undefined || at + begin + length > source.size) return null;
    out.push({ number, type, offset: at + begin, length });
    at += begin + length;
  }
  return out;
}

/** The fields of an ONNX model; null for any other file. */
export async function model(source) {
  if ((await source.peek(0, 1))[0] !== 0x08) return null;
  const found = await fields(source);
  const all = (wanted, type) => {
    const list = found.filter(({ number }) => number === wanted);
    return list.length > 0 && list.every((field) => field.type === type);
  };
  return found !== null && all(IR_VERSION, VARINT) && all(GRAPH, LENGTH) && all(OPSETS, LENGTH) ? found : null;
}

export async function findInOnnx(source) {
  const bad = (message) => fail('malformed.host', 'JF-ONX-001', message);
  const ours = ((await model(source)) ?? []).filter(({ number }) => number === OURS);
  if (ours.length === 0) return null;
  if (ours.length > 1) bad('two containers');
  const [{ type, offset, length }] = ours;
  if (type !== LENGTH) bad('the field of the container is of another type');
  const part = new PartSource(source, offset, length);
  const header = await part.peek(0, HEADER_LENGTH);
  if (!equal(header.subarray(0, MAGIC.length), MAGIC)) bad('the field of the container does not begin with its magic');
  if (header.length < HEADER_LENGTH || view(header).getBigUint64(32) !== BigInt(length)) bad('the field is not as long as its container');
  return { form: 'field', source: part, whole: true };
}
