// SPEC section 14.2; the structures are those of APPNOTE.TXT 4.3.
import { fail } from '../errors.js';
import { binary, equal, fromHex, hex, view } from '../bytes.js';
import { BytesSource, PartSource } from '../source.js';
import { MAGIC, HEADER_LENGTH } from '../header.js';
import { LOCATOR_LENGTH, END_MAGIC, locate } from './locator.js';

const END_LENGTH = 22;
const MAX_COMMENT = 0xffff;
const STORED = 0;
const DEFLATED = 8;
const ENTRY_NAME = '.jelly/snapshot';
const MAX_DIRECTORY = 256 * 1024 ** 2;
const MAX_INFLATED = 2 * 1024 ** 3;
// All entries together: so much, or so many times the file.
const MAX_ALL_INFLATED = 64 * 1024 ** 2;
const MAX_RATIO = 16;
const SLICE = 1024 ** 2;

const bad = (requirement, message) => fail('malformed.host', requirement, message);
const broken = (message) => bad('JF-ZIP-001', message);

/** The last end record from which the comment reaches exactly to the end of the file. */
async function endRecord(source) {
  const from = Math.max(0, source.size - END_LENGTH - MAX_COMMENT);
  const tail = await source.read(from, source.size - from);
  const numbers = view(tail);
  for (let at = tail.length - END_LENGTH; at >= 0; at--) {
    if (numbers.getUint32(at, true) === 0x06054b50 && at + END_LENGTH + numbers.getUint16(at + 20, true) === tail.length) {
      return { bytes: tail.subarray(at, at + END_LENGTH), comment: tail.subarray(at + END_LENGTH), at: from + at };
    }
  }
  return broken('no end record');
}

async function directoryPlace(source, end) {
  const numbers = view(end.bytes);
  const short = {
    disks: [numbers.getUint16(4, true), numbers.getUint16(6, true)],
    here: numbers.getUint16(8, true),
    count: numbers.getUint16(10, true),
    size: numbers.getUint32(12, true),
    offset: numbers.getUint32(16, true),
  };
  if (short.disks.some((disk) => disk !== 0) || short.here !== short.count) broken('a zip of several disks');
  let place = { count: short.count, size: short.size, offset: short.offset, end: end.at };
  const locator = end.at >= 20 ? await source.read(end.at - 20, 20) : new Uint8Array(20);
  const zip64 = view(locator).getUint32(0, true) === 0x07064b50;
  if (zip64) {
    const at = view(locator).getBigUint64(8, true);
    if (at + 56n > BigInt(end.at - 20)) broken('the zip64 end record is not before its locator');
    const record = await source.read(Number(at), 56);
    const wide = view(record);
    if (wide.getUint32(0, true) !== 0x06064b50) broken('no zip64 end record where its locator says');
    if (at + 12n + wide.getBigUint64(4, true) !== BigInt(end.at - 20)) broken('the zip64 end record does not reach to its locator');
    const long = { here: wide.getBigUint64(24, true), count: wide.getBigUint64(32, true), size: wide.getBigUint64(40, true), offset: wide.getBigUint64(48, true) };
    for (const [key, full] of [['count', 0xffff], ['size', 0xffffffff], ['offset', 0xffffffff]]) {
      if (short[key] !== full && BigInt(short[key]) !== long[key]) broken('the end records contradict each other');
    }
    const disks = [view(locator).getUint32(4, true), wide.getUint32(16, true), wide.getUint32(20, true)];
    if (disks.some((disk) => disk !== 0) || view(locator).getUint32(16, true) > 1 || long.here !== long.count) broken('a zip of several disks');
    if (long.offset + long.size !== at) broken('the central directory does not end where the end records begin');
    place = { count: Number(long.count), size: Number(long.size), offset: Number(long.offset) };
  } else if (place.offset + place.size !== end.at) broken('the central directory does not end where the end record begins');
  if (place.size > MAX_DIRECTORY) broken('the central directory is too long');
  return place;
}

/** Values of the zip64 extra field, in their order, for those of `values` that are all ones. */
function widen(extra, values) {
  const numbers = view(extra);
  let at = 0;
  while (at + 4 <= extra.length) {
    const [id, size] = [numbers.getUint16(at, true), numbers.getUint16(at + 2, true)];
    if (at + 4 + size > extra.length) break;
    if (id === 1) {
      let from = at + 4;
      return values.map((it) => {
        if (it !== 0xffffffff) return it;
        if (from + 8 > at + 4 + size) return broken('a zip64 extra field that is too short');
        from += 8;
        return Number(numbers.getBigUint64(from - 8, true));
      });
    }
    at += 4 + size;
  }
  return values;
}

async function directory(source, end) {
  const place = await directoryPlace(source, end);
  const bytes = await source.read(place.offset, place.size);
  const numbers = view(bytes);
  const entries = [];
  // Local headers lie beside each other, and so have no more bytes than the file.
  const room = { left: source.size };
  let at = 0;
  for (let i = 0; i < place.count; i++) {
    if (at + 46 > bytes.length || numbers.getUint32(at, true) !== 0x02014b50) broken('the central directory does not parse');
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => numbers.getUint16(at + field, true));
    const next = at + 46 + nameLength + extraLength + commentLength;
    if (next > bytes.length) broken('the central directory does not parse');
    const extra = bytes.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength);
    const [size, packed, offset] = widen(extra, [numbers.getUint32(at + 24, true), numbers.getUint32(at + 20, true), numbers.getUint32(at + 42, true)]);
    entries.push({
      name: binary(bytes.subarray(at + 46, at + 46 + nameLength)),
      flags: numbers.getUint16(at + 8, true),
      method: numbers.getUint16(at + 10, true),
      size, packed, offset,
      limit: place.offset,
      room,
    });
    at = next;
  }
  if (at !== bytes.length) broken('bytes behind the last entry of the central directory');
  return entries;
}

/** The entry's bytes as they lie in the file; its local header must agree with the directory. With `magic`, null unless they begin with the container's. */
async function dataOf(source, entry, magic = false) {
  const disagree = (what) => bad('JF-ZIP-002', `the local header of ${JSON.stringify(entry.name)} has another ${what}`);
  if (entry.offset + 30 > entry.limit) broken('a local header outside of the file');
  // One read is enough for header, name, torch's padding and the first bytes of most entries.
  const near = await source.peek(entry.offset, 30 + entry.name.length + 256);
  const numbers = view(near);
  if (numbers.getUint32(0, true) !== 0x04034b50) broken('no local header where the directory says');
  const [nameLength, extraLength] = [numbers.getUint16(26, true), numbers.getUint16(28, true)];
  const head = 30 + nameLength + extraLength;
  const start = entry.offset + head;
  entry.room.left -= head;
  if (entry.room.left < 0) broken('local headers that have more bytes than the file');
  if (start + entry.packed > entry.limit) broken('the data of an entry reach into the central directory');
  const whole = near.length >= head + 8 ? near : await source.peek(entry.offset, head + 8);
  if (binary(whole.subarray(30, 30 + nameLength)) !== entry.name) disagree('name');
  if (numbers.getUint16(8, true) !== entry.method) disagree('method');
  const extra = whole.subarray(30 + nameLength, head);
  const [size, packed] = widen(extra, [numbers.getUint32(22, true), numbers.getUint32(18, true)]);
  const later = (numbers.getUint16(6, true) & 8) !== 0;
  const agrees = (local, central) => later || local === central;
  if (!agrees(size, entry.size) || !agrees(packed, entry.packed)) disagree('size');
  if ((entry.flags & 1) !== 0) bad('JF-ZIP-002', 'an encrypted entry');
  if (entry.method === STORED && entry.size !== entry.packed) bad('JF-ZIP-002', 'a stored entry of two sizes');
  if (magic && !equal(whole.subarray(head, head + 8), MAGIC)) return null;
  return new PartSource(source, start, entry.packed);
}

/** The bytes of a part, read when they are asked for. */
function slices(part) {
  let at = 0;
  return new ReadableStream({
    async pull(controller) {
      const bytes = await part.peek(at, SLICE);
      at += bytes.length;
      if (bytes.length > 0) controller.enqueue(bytes);
      else controller.close();
    },
  });
}

async function inflate(part, size) {
  const wrong = (message) => bad('JF-ZIP-004', message);
  if (size > MAX_INFLATED) wrong('the entry is too large');
  const stream = slices(part).pipeThrough(new DecompressionStream('deflate-raw'));
  const out = [];
  let length = 0;
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > size) break;
      out.push(value);
    }
  } catch {
    wrong('the entry does not inflate');
  }
  if (length !== size) {
    await reader.cancel().catch(() => {});
    wrong('the entry does not inflate to its declared size');
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const piece of out) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return new BytesSource(bytes);
}

async function sameBytes(a, b) {
  if (a.size !== b.size) return false;
  for (let at = 0; at < a.size; at += SLICE) if (!equal(await a.peek(at, SLICE), await b.peek(at, SLICE))) return false;
  return true;
}

/** All of `found` are the same container, or the file is ambiguous (JF-ZIP-003). What lies in a file beside each other has no more bytes than it. */
async function one(found, most) {
  if (found.reduce((sum, { size }) => sum + size, 0) > most) broken('containers that have more bytes than the file');
  for (const other of found.slice(1)) if (!(await sameBytes(found[0], other))) bad('JF-ZIP-003', 'two different containers');
  return found[0];
}

/** The container the data begin with: as long as its header says, whatever else that says, and no shorter than a header. */
async function containerIn(data) {
  const header = await data.peek(0, HEADER_LENGTH);
  const said = header.length < HEADER_LENGTH ? 0n : view(header).getBigUint64(32);
  return new PartSource(data, 0, said > data.size ? data.size : Math.min(data.size, Math.max(HEADER_LENGTH, Number(said))));
}

export async function findInZip(source) {
  const end = await endRecord(source);
  const digits = binary(end.comment.subarray(-2 * LOCATOR_LENGTH));
  if (digits.endsWith(hex(END_MAGIC))) {
    if (digits.length < 2 * LOCATOR_LENGTH || !/^[0-9a-f]*$/.test(digits)) fail('corrupt.locator', 'JF-ZIP-006', 'the locator in the comment is no locator');
    return { form: 'locator', source: await locate(source, fromHex(digits), end.at, 'JF-ZIP-006'), whole: true };
  }
  const entries = await directory(source, end);
  const listed = [];
  const ours = entries.filter(({ name }) => name === ENTRY_NAME || name.endsWith(`/${ENTRY_NAME}`));
  const mostInflated = Math.max(MAX_ALL_INFLATED, MAX_RATIO * source.size);
  if (ours.reduce((sum, { method, size }) => sum + (method === DEFLATED ? size : 0), 0) > mostInflated) bad('JF-ZIP-004', 'entries that inflate to too much');
  for (const entry of ours) {
    if (entry.method !== STORED && entry.method !== DEFLATED) bad('JF-ZIP-002', 'an entry that is neither stored nor deflated');
    const data = await dataOf(source, entry);
    listed.push(entry.method === STORED ? data : await inflate(data, entry.size));
  }
  if (listed.length > 0) return { form: 'entry', source: await one(listed, mostInflated), whole: true };
  const tensors = [];
  const root = /^[^/]*\//.exec(entries[0]?.name ?? '')?.[0];
  for (const entry of root === undefined ? [] : entries) {
    const rest = entry.name.startsWith(`${root}data/`) ? entry.name.slice(root.length + 5) : '';
    if (entry.method !== STORED || (entry.flags & 1) !== 0 || !/^[0-9]+$/.test(rest)) continue;
    const data = await dataOf(source, entry, true);
    if (data === null) continue;
    tensors.push(await containerIn(data));
  }
  return tensors.length > 0 ? { form: 'tensor', source: await one(tensors, source.size), whole: true } : null;
}
