// A notebook, cell by cell. Of its outputs text and pictures are shown; HTML, SVG and script are named and never run.
import { el, line, plural, visible } from './dom.js';
import { highlighted, languageOf } from './highlight.js';
import { markdown } from './markdown.js';
import { picture } from './picture.js';

const MOST = 16_000_000;
const MOST_CELLS = 500;
const MOST_OUTPUTS = 50;
const MOST_TEXT = 50_000;
const PICTURES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];

const isMap = (it) => typeof it === 'object' && it !== null && !Array.isArray(it);

/** What nbformat calls a multiline string. */
function joined(value) {
  if (typeof value === 'string') return value;
  return Array.isArray(value) ? value.filter((it) => typeof it === 'string').join('') : '';
}

const cut = (text) => (text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}\n\u2026 ${(text.length - MOST_TEXT).toLocaleString('en')} more characters` : text);

// Colours of a terminal, in tracebacks.
const shown = (text) => visible(cut(text).replace(/\x1b\[[0-9;]{0,20}m/g, ''));

function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text.replace(/\s/g, '')), (c) => c.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

function data(found, label) {
  for (const type of PICTURES) {
    const drawn = Object.hasOwn(found, type) ? picture(fromBase64(joined(found[type])), label) : null;
    if (drawn !== null) return drawn;
  }
  const plain = joined(found['text/plain']);
  const others = Object.keys(found).filter((type) => type !== 'text/plain').slice(0, 20);
  return [plain ? el('pre', {}, shown(plain)) : null, others.length ? el('p', { className: 'quiet' }, `not shown: ${line(others.join(', ')).slice(0, 300)}`) : null];
}

function output(it, label) {
  if (!isMap(it)) return null;
  switch (it.output_type) {
    case 'stream': return el('pre', { className: it.name === 'stderr' ? 'stderr' : '' }, shown(joined(it.text)));
    case 'error': return el('pre', { className: 'stderr' }, shown(Array.isArray(it.traceback) && it.traceback.length ? it.traceback.filter((part) => typeof part === 'string').join('\n') : `${joined(it.ename)}: ${joined(it.evalue)}`));
    default: return isMap(it.data) ? data(it.data, label) : null;
  }
}

function cell(it, language, context) {
  if (!isMap(it)) return null;
  const source = joined(it.source);
  if (it.cell_type === 'markdown') return el('section', { className: 'cell' }, markdown(source, context) ?? el('pre', {}, shown(source)));
  if (it.cell_type !== 'code') return el('section', { className: 'cell' }, el('pre', {}, shown(source)));
  const count = Number.isSafeInteger(it.execution_count) ? String(it.execution_count) : ' ';
  const outputs = Array.isArray(it.outputs) ? it.outputs : [];
  const more = outputs.length - MOST_OUTPUTS;
  return el('section', { className: 'cell code-cell' },
    el('div', { className: 'prompt quiet', 'aria-hidden': 'true' }, `[${count}]`),
    el('pre', { className: 'source' }, el('code', {}, highlighted(visible(cut(source)), language))),
    outputs.length === 0 ? null : el('div', { className: 'outputs' }, outputs.slice(0, MOST_OUTPUTS).map((one) => output(one, `output of cell ${count}`)),
      more > 0 ? el('p', { className: 'quiet' }, `and ${plural(more, 'output')} more`) : null));
}

/** Elements for the text of a notebook; null where it is none. `context` as for Markdown. */
export function notebook(text, context) {
  if (text.length > MOST) return null;
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isMap(found) || !Array.isArray(found.cells)) return null;
  const info = isMap(found.metadata) ? found.metadata.language_info : null;
  const ending = isMap(info) && typeof info.file_extension === 'string' ? info.file_extension : '.py';
  const language = languageOf(`x${ending}`);
  const more = found.cells.length - MOST_CELLS;
  return el('div', { className: 'notebook' }, found.cells.slice(0, MOST_CELLS).map((it) => cell(it, language, context)),
    more > 0 ? el('p', { className: 'quiet' }, `and ${plural(more, 'cell')} more: see its source`) : null);
}
