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

// What a path with an unsafe component has somewhere; of others no component is looked at.
const DOUBTFUL = /(^|\/)([.gG/]|$)|[\\:\0\xe2\xef]/;

export const unsafePath = (path) => DOUBTFUL.test(path) && path.split('/').some(unsafeComponent);

/** `through`: whether the path may go through repositories inside each other. */
export function longPath(path, through = false) {
  if (path.length > (through ? LIMITS.nestedPath : LIMITS.path)) return true;
  let [count, from] = [1, 0];
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', from)) {
    if (at - from > LIMITS.component) return true;
    count += 1;
    from = at + 1;
  }
  return count > (through ? LIMITS.nestedComponents : LIMITS.components) || path.length - from > LIMITS.component;
}

export function checkLength(path, through = false) {
  if (longPath(path, through)) fail('limit.path', 'JF-PTH-002', `a path of ${path.length} bytes, or a component of it, is too long`);
}

export function checkSafe(path, requirement = 'JF-PTH-001') {
  if (unsafePath(path)) fail('unsafe.path', requirement, `unsafe path ${printable(unbinary(path))}`);
}

/** Whether a path lies below one of some directories, which may end in a slash: asked in the time that the path takes. */
export function below(directories) {
  const outermost = [];
  for (const path of [...directories].map((it) => (it.endsWith('/') ? it : `${it}/`)).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))) {
    if (outermost.length === 0 || !path.startsWith(outermost.at(-1))) outermost.push(path);
  }
  return (path) => {
    let [low, high] = [0, outermost.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (outermost[middle] <= path) low = middle + 1;
      else high = middle;
    }
    return low > 0 && path.startsWith(outermost[low - 1]) && path !== outermost[low - 1];
  };
}
