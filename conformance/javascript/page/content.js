// One file's content: text with numbered lines, a picture, Markdown or a notebook as they are meant, or the first bytes.
import { SUBMODULE } from '../src/objects.js';
import { binary } from '../src/bytes.js';
import { el, name, textOf, visible } from './dom.js';
import { highlighted, languageOf } from './highlight.js';
import { markdown, resolved } from './markdown.js';
import { notebook } from './notebook.js';
import { picture } from './picture.js';
import { fileAt } from './route.js';

const MOST_TEXT = 1_000_000;
const LINE = 1.45; // em, as in diff.css

function hexDump(bytes) {
  const lines = [];
  for (let at = 0; at < Math.min(bytes.length, 512); at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    lines.push(`${at.toString(16).padStart(8, '0')}  ${row.map((b) => b.toString(16).padStart(2, '0')).join(' ').padEnd(48)} ${row.map((b) => (b > 31 && b < 127 ? String.fromCharCode(b) : '\u00b7')).join('')}`);
  }
  return lines.join('\n');
}

/** Links and pictures of a text that lies at `path`, so far as they stay in the snapshot. */
export function contextOf(snapshot, number, path) {
  const found = (href) => {
    const text = resolved(href, new TextDecoder().decode(Uint8Array.from(path, (c) => c.charCodeAt(0))));
    const inner = text === null ? null : binary(new TextEncoder().encode(text));
    return inner !== null && snapshot.files.has(inner) ? inner : null;
  };
  return {
    linkTo: (href) => (found(href) === null ? null : fileAt(number, found(href))),
    picture(href, text) {
      const inner = found(href);
      const bytes = inner === null ? null : snapshot.bytes(snapshot.files.get(inner));
      return bytes === null ? null : picture(bytes, text || name(inner));
    },
  };
}

function meant(snapshot, number, path, text) {
  if (text.note !== null) return null;
  if (/\.(?:md|markdown)$/i.test(path)) return markdown(text.text, contextOf(snapshot, number, path));
  return /\.ipynb$/i.test(path) ? notebook(text.text, contextOf(snapshot, number, path)) : null;
}

function source(path, text, lines, onLines) {
  const shown = visible(text.text.slice(0, MOST_TEXT));
  const count = shown.split('\n').length - (shown.endsWith('\n') ? 1 : 0);
  const code = el('pre', {}, el('code', {}, highlighted(shown, languageOf(path))));
  const numbers = el('pre', {
    className: 'numbers', 'aria-hidden': 'true', title: 'Click for a link to this line, with Shift to several',
    onclick(event) {
      const at = Math.floor((event.clientY - numbers.getBoundingClientRect().top) / (numbers.getBoundingClientRect().height / count)) + 1;
      if (at >= 1 && at <= count) onLines(event.shiftKey && lines ? [Math.min(lines[0], at), Math.max(lines[0], at)] : [at, at]);
    },
  }, Array.from({ length: count }, (_, i) => i + 1).join('\n'));
  const chosen = lines && lines[0] <= count ? el('div', { className: 'chosen-lines' }) : null;
  if (chosen) {
    chosen.style.top = `${(lines[0] - 1) * LINE}em`;
    chosen.style.height = `${(Math.min(lines[1], count) - lines[0] + 1) * LINE}em`;
  }
  // Who reads with the keyboard has to be able to scroll it.
  return el('div', { className: 'code', tabIndex: 0, role: 'region', 'aria-label': `source of ${name(path)}` }, numbers, el('div', { className: 'lines' }, chosen, code));
}

/**
 * {notes, shown, forms}: what is said of it, its element; of a file that can be shown in two forms both by name.
 * @param {{lines: [number, number]|null, onLines: (lines: [number, number]) => void}} options
 */
export function contentOf(snapshot, number, path, bytes, { lines, onLines }) {
  const entry = snapshot.files.get(path);
  const drawn = entry.mode === SUBMODULE ? null : picture(bytes, name(path));
  if (drawn !== null) return { notes: [`${drawn.firstChild.width} \u00d7 ${drawn.firstChild.height}`], shown: drawn };
  const text = textOf(bytes);
  if (text === null) {
    return { notes: [`binary, the first ${Math.min(bytes.length, 512)} bytes`],
      shown: el('pre', { className: 'hex', tabIndex: 0, role: 'region', 'aria-label': `bytes of ${name(path)}` }, hexDump(bytes)) };
  }
  const notes = [text.note, text.text.length > MOST_TEXT ? 'the first million characters' : null, text.text.includes('\r\n') ? 'CRLF' : null];
  const rendered = lines === null ? meant(snapshot, number, path, text) : null;
  const asSource = () => source(path, text, lines, onLines);
  return rendered === null ? { notes, shown: asSource() } : { notes, shown: rendered, forms: { Rendered: rendered, Source: asSource } };
}
