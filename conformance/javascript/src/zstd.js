// SPEC section 5. The frame's outline is read here (RFC 8878, 3.1.1), so that window, dictionary, size and end are known before
// anything is decompressed; libzstd, as WebAssembly, does the rest.
import { ZSTDDecoder } from 'zstddec';
import xxhash from 'xxhash-wasm';
import { fail } from './errors.js';
import { concat, view } from './bytes.js';

const decoder = new ZSTDDecoder();
const BLOCK_MOST = 128 * 1024;

const bad = (requirement, message) => fail('malformed.compression', requirement, message);

function outline(frame) {
  if (frame.length < 6) bad('JF-ZST-001', 'no zstd frame');
  const numbers = view(frame);
  const magic = numbers.getUint32(0, true);
  if ((magic & 0xfffffff0) >>> 0 === 0x184d2a50) bad('JF-ZST-002', 'a skippable frame');
  if (magic !== 0xfd2fb528) bad('JF-ZST-001', 'no zstd frame');
  const descriptor = frame[4];
  const single = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  const dictionaryLength = [0, 1, 2, 4][descriptor & 3];
  const sizeLength = sizeFlag === 0 ? (single ? 1 : 0) : 1 << sizeFlag;
  const windowByte = single ? null : frame[5];
  let at = 5 + (single ? 0 : 1) + dictionaryLength;
  // RFC 8878, 3.1.1.1.3: an id of zero is no id.
  const dictionary = frame.subarray(at - dictionaryLength, at).some((byte) => byte !== 0);
  if (frame.length < at + sizeLength) bad('JF-ZST-001', 'the frame header is cut off');
  let contentSize = null;
  if (sizeLength === 1) contentSize = BigInt(frame[at]);
  else if (sizeLength === 2) contentSize = BigInt(numbers.getUint16(at, true)) + 256n;
  else if (sizeLength === 4) contentSize = BigInt(numbers.getUint32(at, true));
  else if (sizeLength === 8) contentSize = numbers.getBigUint64(at, true);
  at += sizeLength;
  let windowSize = contentSize;
  if (!single) {
    const base = 1n << BigInt(10 + (frame[5] >> 3));
    windowSize = base + (base / 8n) * BigInt(frame[5] & 7);
  }
  // RFC 8878, 3.1.1.2.4: what a block may have, compressed and not.
  const blockMost = windowSize < BLOCK_MOST ? Number(windowSize) : BLOCK_MOST;
  return { start: at, contentSize, windowSize, windowByte, blockMost, reserved: (descriptor & 8) !== 0, checksum: (descriptor & 4) !== 0, dictionary };
}

/** Where the frame's last block (and checksum) ends. */
function frameEnd(frame, { start, checksum, blockMost }) {
  let at = start;
  for (;;) {
    if (at + 3 > frame.length) bad('JF-ZST-001', 'the frame is cut off');
    const block = frame[at] | (frame[at + 1] << 8) | (frame[at + 2] << 16);
    const type = (block >> 1) & 3;
    if (type === 3) bad('JF-ZST-001', 'a reserved block type');
    if (block >> 3 > blockMost) bad('JF-ZST-001', `a block of ${block >> 3} bytes`);
    at += 3 + (type === 1 ? 1 : block >> 3);
    if (block & 1) break;
  }
  return at + (checksum ? 4 : 0);
}

/**
 * The same blocks in a frame that has `prefix` in front of them, in raw blocks: a raw content dictionary (RFC 8878, section 5)
 * is what they may refer to as if it stood there, and leaves everything else of the decoder as it is. Window and so the largest
 * block stay what they are; a frame of a single segment, whose window is its content, gets a longer one.
 */
function behind(prefix, frame, end, { start, windowByte, blockMost, checksum }, rawLength) {
  const size = new Uint8Array(8);
  view(size).setBigUint64(0, BigInt(prefix.length + rawLength), true);
  const parts = [Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd), windowByte === null ? concat(Uint8Array.of(0xe0), size) : Uint8Array.of(0x00, windowByte)];
  const most = windowByte === null ? BLOCK_MOST : blockMost;
  for (let at = 0; at < prefix.length; at += most) {
    const part = prefix.subarray(at, at + most);
    const header = part.length << 3;
    parts.push(Uint8Array.of(header & 0xff, (header >> 8) & 0xff, header >> 16), part);
  }
  return concat(...parts, frame.subarray(start, checksum ? end - 4 : end));
}

/** RFC 8878, 3.1.1: the low four bytes of XXH64. */
async function checkContent(raw, frame) {
  const { create64 } = await xxhash();
  if (Number(create64().update(raw).digest() & 0xffffffffn) !== view(frame).getUint32(frame.length - 4, true)) {
    bad('JF-ZST-001', 'the Content_Checksum does not match');
  }
}

/**
 * @param {Uint8Array|null} prefix what the frame may refer to as if it stood before its content
 * @returns {Promise<Uint8Array>} the `rawLength` bytes in exactly one frame
 */
export async function decompress(frame, rawLength, windowLimit, prefix = null) {
  const head = outline(frame);
  if (head.windowSize > BigInt(windowLimit)) fail('limit.window', 'JF-ZST-003', `a window of ${head.windowSize} bytes`);
  if (head.reserved) bad('JF-ZST-001', 'a reserved bit of the frame header is set');
  if (head.dictionary) bad('JF-ZST-002', 'the frame has a dictionary id');
  if (head.contentSize !== null && head.contentSize !== BigInt(rawLength)) {
    bad('JF-ZST-005', `the frame says ${head.contentSize} bytes, not ${rawLength}`);
  }
  const end = frameEnd(frame, head);
  if (end > frame.length) bad('JF-ZST-001', 'the frame is cut off');
  if (end < frame.length) bad('JF-ZST-002', `${frame.length - end} bytes behind the frame`);
  await decoder.init();
  let raw;
  try {
    // No more than rawLength bytes are allocated; libzstd fails at the first byte beyond, and this package then gives none.
    raw = prefix === null ? decoder.decode(frame, rawLength) : decoder.decode(behind(prefix, frame, end, head, rawLength), prefix.length + rawLength);
  } catch (error) {
    bad('JF-ZST-001', `the frame does not decompress: ${error.message}`);
  }
  if (prefix !== null) raw = raw.subarray(prefix.length);
  if (raw.length !== rawLength) bad('JF-ZST-004', `the frame does not decompress to ${rawLength} bytes`);
  if (prefix !== null && head.checksum) await checkContent(raw, frame);
  return raw;
}
