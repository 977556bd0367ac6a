// The frame around a snapshot: its name, whether it is sound, the tabs.
import { el, line } from './dom.js';
import { overview, place } from './overview.js';
import { files } from './files.js';
import { changes } from './changes.js';
import { environment, leftOut, verification } from './about.js';

const VERIFY_AT_ONCE = 64 * 1024 ** 2;

function tabs(list) {
  const panels = list.map(({ id }) => el('div', { id: `panel-${id}`, className: `panel ${id}`, role: 'tabpanel', hidden: true }));
  const made = new Set();
  const buttons = list.map(({ id, label, count }, i) => el('button', {
    id: `tab-${id}`, role: 'tab', 'aria-controls': `panel-${id}`, onclick: () => { location.hash = id; choose(i); },
  }, label, count ? el('span', { className: 'count' }, count.toLocaleString('en')) : null));
  function choose(wanted) {
    list.forEach(({ make }, i) => {
      panels[i].hidden = i !== wanted;
      buttons[i].setAttribute('aria-selected', String(i === wanted));
      if (i === wanted && !made.has(i)) {
        made.add(i);
        panels[i].append(...[make()].flat());
      }
    });
  }
  const fromHash = () => Math.max(0, list.findIndex(({ id }) => `#${id}` === location.hash));
  addEventListener('hashchange', () => choose(fromHash()));
  choose(fromHash());
  return { bar: el('nav', { role: 'tablist' }, buttons), panels };
}

export function app(snapshot, { fileName, fileSize }) {
  const { container, manifest } = snapshot;
  const checked = el('a', { className: 'badge', href: '#verify', role: 'status' }, 'not verified');
  const report = el('div', {});
  const run = async () => {
    checked.className = 'badge';
    checked.textContent = 'verifying \u2026';
    report.replaceChildren(el('p', { className: 'quiet' }, 'Verifying \u2026'));
    await new Promise((done) => setTimeout(done));
    let checks = null;
    let fault = null;
    try {
      checks = await container.verify();
    } catch (error) {
      fault = error;
    }
    checked.className = fault ? 'badge bad' : 'badge good';
    checked.textContent = fault ? '\u2717 damaged' : '\u2713 verified';
    report.replaceChildren(...verification(snapshot, checks, fault));
  };
  report.append(el('p', {}, 'This container is large. ', el('button', { className: 'plain', onclick: run }, 'Verify all of it')));
  const marks = snapshot.marks;
  const { omitted } = snapshot;
  const { bar, panels } = tabs([
    { id: 'overview', label: 'Overview', make: () => overview(snapshot, { fileName, fileSize }) },
    { id: 'files', label: 'Files', count: snapshot.files.size, make: () => files(snapshot) },
    { id: 'changes', label: 'Uncommitted', count: marks.size, make: () => changes(snapshot) },
    { id: 'environment', label: 'Environment', make: () => environment(snapshot) },
    { id: 'left-out', label: 'Left out', count: omitted.length, make: () => leftOut(snapshot) },
    { id: 'verify', label: 'Verify', make: () => report },
  ]);
  if (manifest.blocks.reduce((sum, block) => sum + Number(block.rawLength), 0) <= VERIFY_AT_ONCE) run();
  return [
    el('header', {}, el('div', { className: 'top' },
      el('h1', { title: line(fileName) }, line(fileName)), checked,
      el('span', { className: 'quiet' }, place(snapshot))), bar),
    el('main', {}, panels),
  ];
}
