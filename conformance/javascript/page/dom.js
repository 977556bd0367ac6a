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

// Controls, what turns text around, and what nobody sees: all of it could make text look like other text.
const HIDDEN = /[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]/gu;
const code = (c) => c.codePointAt(0).toString(16).padStart(4, '0');
const shownHidden = (text) => text.replace(HIDDEN, (c) => (c.length > 1 ? `\\u{${code(c)}}` : `\\u${code(c)}`));

/** Bytes, or a binary string (see src/bytes.js), as one line for people: controls, and what turns text around, are written out. */
export const name = (value) => spaces(shownHidden(printable(typeof value === 'string' ? unbinary(value) : value)));

/** Text as one line. */
export const line = (text) => shownHidden(printable(new TextEncoder().encode(text)));

/** A file's name as Python has it: a byte that is no UTF-8 is U+DC80 to U+DCFF. */
export const fileName = (text) => spaces(line(text.replace(/([\ud800-\udbff][\udc00-\udfff])|[\ud800-\udfff]/g,
  (it, pair) => pair ?? `\\x${(it.charCodeAt(0) & 0xff).toString(16)}`)));

const LONGEST_LINE = 20_000;

/** Text of several lines; control and invisible characters are made visible, very long lines are cut off. */
export const visible = (text) => (text.length > LONGEST_LINE ? text.split('\n').map((it) => (it.length > LONGEST_LINE
  ? `${it.slice(0, LONGEST_LINE)} \u27e6${(it.length - LONGEST_LINE).toLocaleString('en')} more characters in this line\u27e7` : it)).join('\n') : text)
  .replace(/\r\n/g, '\n').replace(/[\u0000-\u0008\u000b-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
  .replace(/[\u007f-\u009f]/g, (c) => `\u27e6U+${code(c).toUpperCase()}\u27e7`).replace(HIDDEN, (c) => `\u27e6U+${code(c).toUpperCase()}\u27e7`);

/** The text of a file: {text, note}, or null where it is no text. */
export function textOf(bytes) {
  if (bytes.subarray(0, 8192).includes(0)) return null;
  const text = utf8(bytes);
  return text !== null ? { text, note: null } : { text: binary(bytes), note: 'not UTF-8, shown as Latin-1' };
}

const SVG = 'http://www.w3.org/2000/svg';

/** An element of a drawing, with its attributes. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
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
