// SPEC section 5. The frame's outline is read here (RFC 8878, 3.1.1), so that window, dictionary, size and end are known before
// anything is decompressed; libzstd, as WebAssembly, does the rest.
import { ZSTDDecoder } from 'zstddec';
import { fail } from './errors.js';
import { view } from './bytes.js';

const decoder = new ZSTDDecoder();

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
  return { start: at, contentSize, windowSize, reserved: (descriptor & 8) !== 0, checksum: (descriptor & 4) !== 0, dictionary };
}

/** Where the frame's last block (and checksum) ends. */
function frameEnd(frame, { start, checksum }) {
  let at = start;
  for (;;) {
    if (at + 3 > frame.length) bad('JF-ZST-001', 'the frame is cut off');
    const block = frame[at] | (frame[at + 1] << 8) | (frame[at + 2] << 16);
    const type = (block >> 1) & 3;
    if (type === 3) bad('JF-ZST-001', 'a reserved block type');
    at += 3 + (type === 1 ? 1 : block >> 3);
    if (block & 1) break;
  }
  return at + (checksum ? 4 : 0);
}

/** @returns {Promise<Uint8Array>} the `rawLength` bytes in exactly one frame */
export async function decompress(frame, rawLength, windowLimit) {
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
    raw = decoder.decode(frame, rawLength);
  } catch (error) {
    bad('JF-ZST-001', `the frame does not decompress: ${error.message}`);
  }
  if (raw.length !== rawLength) bad('JF-ZST-004', `the frame does not decompress to ${rawLength} bytes`);
  return raw;
}
