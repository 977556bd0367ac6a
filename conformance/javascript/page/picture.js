// Pictures, drawn on a canvas: the browser decodes them, no element loads anything, and no SVG is ever a document.
import { view as numbersOf, equal, binary } from '../src/bytes.js';
import { el } from './dom.js';

const MOST_BYTES = 32 * 1024 ** 2;
const MOST_PIXELS = 40_000_000;

function jpegSize(bytes, numbers) {
  for (let at = 2; at + 9 < bytes.length;) {
    if (bytes[at] !== 0xff) return null;
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return [numbers.getUint16(at + 7), numbers.getUint16(at + 5)];
    at += 2 + numbers.getUint16(at + 2);
  }
  return null;
}

function webpSize(bytes, numbers) {
  if (bytes.length < 30) return null;
  const three = (at) => bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);
  switch (binary(bytes.subarray(12, 16))) {
    case 'VP8X': return [1 + three(24), 1 + three(27)];
    case 'VP8L': return [1 + (numbers.getUint32(21, true) & 0x3fff), 1 + ((numbers.getUint32(21, true) >> 14) & 0x3fff)];
    case 'VP8 ': return [numbers.getUint16(26, true) & 0x3fff, numbers.getUint16(28, true) & 0x3fff];
    default: return null;
  }
}

/** {type, width, height} as the file's own header says; null where it is no picture that is drawn here. */
export function pictureOf(bytes) {
  if (bytes.length < 24 || bytes.length > MOST_BYTES) return null;
  const numbers = numbersOf(bytes);
  const starts = (...magic) => equal(bytes.subarray(0, magic.length), magic);
  let found = null;
  if (starts(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) found = ['image/png', [numbers.getUint32(16), numbers.getUint32(20)]];
  else if (starts(0x47, 0x49, 0x46, 0x38)) found = ['image/gif', [numbers.getUint16(6, true), numbers.getUint16(8, true)]];
  else if (starts(0xff, 0xd8, 0xff)) found = ['image/jpeg', jpegSize(bytes, numbers)];
  else if (starts(0x52, 0x49, 0x46, 0x46) && binary(bytes.subarray(8, 12)) === 'WEBP') found = ['image/webp', webpSize(bytes, numbers)];
  if (found === null || found[1] === null) return null;
  const [type, [width, height]] = found;
  return width > 0 && height > 0 && width * height <= MOST_PIXELS ? { type, width, height } : null;
}

/** An element that shows a picture; null where the bytes are none. */
export function picture(bytes, label) {
  const found = pictureOf(bytes);
  if (found === null) return null;
  const canvas = el('canvas', { role: 'img', 'aria-label': label, width: found.width, height: found.height });
  const holder = el('div', { className: 'picture' }, canvas);
  createImageBitmap(new Blob([bytes], { type: found.type })).then((bitmap) => {
    // What the header says need not be what is decoded.
    if (bitmap.width * bitmap.height <= MOST_PIXELS) {
      [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
      canvas.getContext('2d').drawImage(bitmap, 0, 0);
    }
    bitmap.close();
  }).catch(() => holder.replaceChildren(el('p', { className: 'quiet' }, 'This picture cannot be decoded.')));
  return holder;
}
