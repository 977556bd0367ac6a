// The page: what the server of `jelly view` has, or a file that is dropped here. Nothing is ever sent.
import { open, asSource } from '../src/index.js';
import { app } from './app.js';
import { comparison } from './compare.js';
import { explained } from './damage.js';
import { el, fileName } from './dom.js';
import { use } from './keys.js';
import { list } from './list.js';
import { parse } from './route.js';
import { checkpoint, listing } from './served.js';
import { Snapshot } from './snapshot.js';

const KEPT = 4; // opened checkpoints
const page = document.getElementById('page');

function welcome(...content) {
  const input = el('input', { type: 'file', id: 'file', onchange: () => input.files.length > 0 && dropped(input.files[0]) });
  page.replaceChildren(el('main', { className: 'welcome' },
    el('h1', {}, 'jellyformat'),
    el('p', {}, 'The code that made a checkpoint, out of the checkpoint.'),
    el('label', { className: 'drop', htmlFor: 'file' }, el('span', {}, 'Drop a checkpoint or a .jelly file here, or choose one'), input),
    el('p', { className: 'quiet' }, 'The file stays on this machine: this page reads it in small pieces and sends nothing.'),
    ...content));
  document.body.dataset.ready = '';
}

const titled = (text) => { document.title = `${text} \u2013 jellyformat`; };

function waiting(text) {
  delete document.body.dataset.ready; // for who photographs and tests the page
  page.replaceChildren(el('main', { className: 'welcome' }, el('p', { className: 'quiet', role: 'status' }, text)));
}

const failed = (error, file, back) => {
  console.warn(error);
  page.replaceChildren(el('main', { className: 'welcome' }, el('h1', {}, fileName(file)), explained(error, file), back === null ? null : el('a', { href: back }, '\u2190 all checkpoints')));
  use(back === null ? [] : [{ key: 'u', also: ['Escape'], what: 'back to the table', run: () => { location.hash = back; } }]);
  document.body.dataset.ready = '';
};

/** What shows a route: `showing` replaces it when another file is dropped. */
let showing = null;

function onlyOne(snapshot, about) {
  const found = app(snapshot, { number: null, back: null, ...about });
  titled(fileName(about.file));
  page.replaceChildren(...found.nodes);
  showing = (route) => found.show(route.view === 'one' ? route : { view: 'one', tab: 'overview', path: null, lines: null });
  showing(parse(location.hash));
}

async function dropped(file) {
  waiting(`Reading ${fileName(file.name)} \u2026`);
  try {
    const container = await open(asSource(file));
    const { host, form } = container;
    onlyOne(await Snapshot.open(container), { file: file.name, host, form, holder: null, size: file.size, report: null });
  } catch (error) {
    console.warn(error);
    showing = null;
    welcome(el('p', {}, fileName(file.name)), explained(error, file.name));
  }
}

/** Checkpoints of the table, read when they are asked for; the last few are kept. */
function opener() {
  const kept = new Map();
  return async (number) => {
    const known = kept.get(number);
    kept.delete(number);
    const found = known ?? checkpoint(number).then(async ({ source, about }) => ({ about, snapshot: await Snapshot.open(await open(source, 'jelly')) }));
    kept.set(number, found);
    found.catch(() => kept.delete(number));
    for (const old of kept.keys()) if (kept.size > KEPT) kept.delete(old);
    return found;
  };
}

async function many(found) {
  const opened = opener();
  const table = list(found);
  const back = '#';
  const apps = new Map();
  let round = 0;
  const fileOf = (number) => found.rows[found.numbers.indexOf(number)]?.file ?? String(number);
  const showOne = async (route, isOver) => {
    if (apps.get('number') !== route.number) {
      waiting(`Reading ${fileName(fileOf(route.number))} \u2026`);
      try {
        const { snapshot, about } = await opened(route.number);
        if (isOver()) return;
        apps.set('number', route.number);
        apps.set('app', app(snapshot, { ...about, number: route.number, back }));
      } catch (error) {
        if (!isOver()) failed(error, fileOf(route.number), back);
        return;
      }
    }
    titled(fileName(fileOf(route.number)));
    if (page.firstChild !== apps.get('app').nodes[0]) page.replaceChildren(...apps.get('app').nodes);
    apps.get('app').show(route);
  };
  const showTwo = async (route, isOver) => {
    const key = route.numbers.join(',');
    if (apps.get('compared') !== key) {
      waiting('Reading both \u2026');
      try {
        const both = await Promise.all(route.numbers.map(opened));
        if (isOver()) return;
        apps.set('compared', key);
        apps.set('comparison', comparison(both, route.numbers, back));
      } catch (error) {
        if (!isOver()) failed(error, route.numbers.map(fileOf).join(' and '), back);
        return;
      }
    }
    titled(route.numbers.map((number) => fileName(fileOf(number))).join(' \u2194 '));
    if (page.firstChild !== apps.get('comparison').nodes[0]) page.replaceChildren(...apps.get('comparison').nodes);
    apps.get('comparison').show(route);
    document.body.dataset.ready = '';
  };
  showing = (route) => {
    const mine = ++round;
    const isOver = () => mine !== round;
    if (route.view === 'compare') return showTwo(route, isOver);
    if (route.view === 'one' && route.number !== null) return showOne(route, isOver);
    titled(fileName(found.name));
    if (page.firstChild !== table.nodes[0]) page.replaceChildren(...table.nodes);
    table.show();
    document.body.dataset.ready = '';
    return undefined;
  };
  showing(parse(location.hash));
}

for (const type of ['dragover', 'drop']) {
  addEventListener(type, (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    document.body.classList.toggle('dragging', type === 'dragover');
    if (file) dropped(file);
  });
}
addEventListener('dragleave', () => document.body.classList.remove('dragging'));
addEventListener('hashchange', () => showing?.(parse(location.hash)));

const found = await listing();
if (found === null) welcome();
else if (found.error) failed(found.error, 'The table cannot be made again', null);
else if (!found.one) await many(found);
else {
  waiting('Reading \u2026');
  try {
    const { source, about } = await checkpoint(0);
    onlyOne(await Snapshot.open(await open(source, 'jelly')), about);
  } catch (error) {
    failed(error, 'the file', null);
  }
}
