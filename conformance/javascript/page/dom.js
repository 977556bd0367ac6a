// The only way anything gets into the page: elements by name, text as text. No markup is ever parsed.
import { binary, printable, unbinary, utf8 } from '../src/bytes.js';

/** An element. `properties` are its properties, `on…` a listener; children are nodes, strings, or lists of these; null is left out. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'role' || name.startsWith('aria-')) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

const spaces = (text) => text.replace(/^ +| +$/g, (found) => '\u2423'.repeat(found.length));

/** Bytes, or a binary string (see src/bytes.js), as one line for people: controls, and what turns text around, are written out. */
export const name = (value) => spaces(printable(typeof value === 'string' ? unbinary(value) : value));

/** Text as one line. */
export const line = (text) => printable(new TextEncoder().encode(text));

/** Text of several lines; control and invisible characters are made visible. */
export const visible = (text) => text.replace(/\r\n/g, '\n').replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
  (c) => (c < ' ' ? String.fromCharCode(0x2400 + c.charCodeAt(0)) : `\u27e6U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}\u27e7`));

/** The text of a file: {text, note}, or null where it is no text. */
export function textOf(bytes) {
  if (bytes.subarray(0, 8192).includes(0)) return null;
  const text = utf8(bytes);
  return text !== null ? { text, note: null } : { text: binary(bytes), note: 'not UTF-8, shown as Latin-1' };
}

export const plural = (count, word) => `${count.toLocaleString('en')} ${word}${Number(count) === 1 ? '' : 's'}`;

export function size(bytes) {
  let value = Number(bytes);
  if (value < 1000) return `${value} B`;
  for (const unit of ['kB', 'MB', 'GB', 'TB']) {
    value /= 1000;
    if (value < 1000 || unit === 'TB') return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
  }
  return null;
}

/** Seconds since 1970 in a zone of so many minutes east. */
export function time(seconds, zone) {
  const shift = new Date((Number(seconds) + zone * 60) * 1000);
  if (Number.isNaN(shift.getTime())) return `${seconds} seconds after 1970`;
  const [hours, minutes] = [Math.floor(Math.abs(zone) / 60), Math.abs(zone) % 60].map((n) => String(n).padStart(2, '0'));
  return `${shift.toISOString().slice(0, 19).replace('T', ' ')} ${zone < 0 ? '\u2212' : '+'}${hours}:${minutes}`;
}

export const table = (className, head, rows) => el('table', { className },
  head && el('thead', {}, el('tr', {}, head.map((cell) => el('th', {}, cell)))),
  el('tbody', {}, rows.map((row) => el('tr', {}, row.map((cell) => el('td', {}, cell))))));

/** Pairs of a name and a value; pairs with a value of null are left out. */
export const facts = (pairs) => el('dl', {}, pairs.filter(([, value]) => value !== null && value !== undefined)
  .map(([key, value]) => [el('dt', {}, key), el('dd', {}, value)]));

export const card = (title, ...content) => el('section', { className: 'card' }, title && el('h2', {}, title), ...content);
