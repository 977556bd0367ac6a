// Places in the page, as they stand behind # in its address:
//   (nothing)                     the table, or of one checkpoint its overview
//   files                         a tab;   file:src/train.py:L12-L20  a file, and lines of it
//   at:3/files                    the same of checkpoint 3 of the table
//   compare:3,7/environment       two of them
import { binary } from '../src/bytes.js';

const PLAIN = /[A-Za-z0-9_.~/-]/;

/** A path (a binary string) as it stands in an address. */
export const encodePath = (path) => [...path].map((c) => (PLAIN.test(c) ? c : `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)).join('');

/** The path again, whatever a browser or a person made of it; a binary string. */
function decodePath(text) {
  const bytes = binary(new TextEncoder().encode(text));
  return bytes.replace(/%([0-9A-Fa-f]{2})/g, (_, digits) => String.fromCharCode(parseInt(digits, 16)));
}

const prefix = (number) => (number === null ? '' : `at:${number}/`);

export const tabAt = (number, tab) => `#${prefix(number)}${tab}`;

export function fileAt(number, path, first = null, last = first) {
  const lines = first === null ? '' : `:L${first}${last === first ? '' : `-L${last}`}`;
  return `#${prefix(number)}file:${encodePath(path)}${lines}`;
}

export const compareAt = (one, other, tab = 'code') => `#compare:${one},${other}/${tab}`;

/** {view: 'list'} | {view: 'compare', numbers, tab} | {view: 'one', number, tab, path, lines} */
export function parse(hash) {
  const text = hash.replace(/^#/, '');
  const compared = /^compare:(\d{1,9}),(\d{1,9})(?:\/([a-z-]*))?$/.exec(text);
  if (compared) return { view: 'compare', numbers: [Number(compared[1]), Number(compared[2])], tab: compared[3] || 'code' };
  const at = /^at:(\d{1,9})(?:\/|$)/.exec(text);
  const number = at ? Number(at[1]) : null;
  const rest = at ? text.slice(at[0].length) : text;
  if (rest === '' && number === null) return { view: 'list' };
  const file = /^file:(.*?)(?::L(\d{1,9})(?:-L(\d{1,9}))?)?$/s.exec(rest);
  if (!file) return { view: 'one', number, tab: rest || 'overview', path: null, lines: null };
  const lines = file[2] ? [Number(file[2]), Number(file[3] ?? file[2])].sort((a, b) => a - b) : null;
  return { view: 'one', number, tab: 'files', path: decodePath(file[1]), lines };
}
