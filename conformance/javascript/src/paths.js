// SPEC section 10, on binary strings.
import { fail } from './errors.js';
import { unbinary, printable } from './bytes.js';
import { LIMITS } from './limits.js';

// U+200C–U+200F, U+202A–U+202E, U+206A–U+206F, U+FEFF as UTF-8 bytes
const IGNORED = /\xe2\x80[\x8c-\x8f\xaa-\xae]|\xe2\x81[\xaa-\xaf]|\xef\xbb\xbf/g;

const lower = (text) => text.replace(/[A-Z]/g, (c) => c.toLowerCase());

export function unsafeComponent(name) {
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) return true;
  for (const piece of name.split('\\')) {
    if (piece === '.' || piece === '..') return true;
    const colon = piece.indexOf(':');
    const cut = lower((colon < 0 ? piece : piece.slice(0, colon)).replace(IGNORED, '').replace(/[. ]+$/, ''));
    if (cut === '.git' || cut === 'git~1') return true;
  }
  return false;
}

export const unsafePath = (path) => path === '' || path.split('/').some(unsafeComponent);

export const longComponent = (name) => name.length > LIMITS.component;

export function longPath(path) {
  if (path.length > LIMITS.path) return true;
  const components = path.split('/');
  return components.length > LIMITS.components || components.some(longComponent);
}

export function checkLength(path) {
  if (longPath(path)) fail('limit.path', 'JF-PTH-002', `a path of ${path.length} bytes, or a component of it, is too long`);
}

export function checkSafe(path, requirement = 'JF-PTH-001') {
  if (unsafePath(path)) fail('unsafe.path', requirement, `unsafe path ${printable(unbinary(path))}`);
}
