// The page: a file from the server that `jellyformat view` runs, or one that is dropped here. Nothing is ever sent.
import { open, asSource } from '../src/index.js';
import { HttpSource } from './http.js';
import { el, line } from './dom.js';
import { Snapshot } from './snapshot.js';
import { app } from './app.js';

const page = document.getElementById('page');

function fault(error) {
  const known = error.class !== undefined;
  return el('div', { className: 'fault', role: 'alert' },
    el('strong', {}, known ? error.class : 'The file could not be read'), el('p', {}, line(String(error.message))),
    error.requirement ? el('p', { className: 'quiet' }, `SPEC.md, ${error.requirement}`) : null);
}

function welcome(...content) {
  const input = el('input', { type: 'file', id: 'file', onchange: () => input.files.length > 0 && show(input.files[0], input.files[0].name) });
  page.replaceChildren(el('main', { className: 'welcome' },
    el('h1', {}, 'jellyformat'),
    el('p', {}, 'The code that made a checkpoint, out of the checkpoint.'),
    el('label', { className: 'drop', htmlFor: 'file' }, el('span', {}, 'Drop a checkpoint or a .jelly file here, or choose one'), input),
    el('p', { className: 'quiet' }, 'The file stays on this machine: this page reads it in small pieces and sends nothing.'),
    ...content));
}

async function show(input, fileName) {
  document.title = `${line(fileName)} \u2013 jellyformat`;
  page.replaceChildren(el('main', { className: 'welcome' }, el('p', { className: 'quiet' }, `Reading ${line(fileName)} \u2026`)));
  try {
    const source = asSource(input);
    const container = await open(source);
    page.replaceChildren(...app(await Snapshot.open(container), { fileName, fileSize: source.size }));
  } catch (error) {
    console.error(error);
    welcome(el('p', {}, line(fileName)), fault(error));
  }
}

for (const type of ['dragover', 'drop']) {
  addEventListener(type, (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    document.body.classList.toggle('dragging', type === 'dragover');
    if (file) show(file, file.name);
  });
}
addEventListener('dragleave', () => document.body.classList.remove('dragging'));

const served = location.protocol === 'http:' ? await HttpSource.open('container').catch(() => null) : null;
if (served) await show(served, served.name);
else welcome();
