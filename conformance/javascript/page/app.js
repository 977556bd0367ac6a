// The frame around a snapshot: its name, whether it is sound, the tabs.
import { environment, leftOut } from './about.js';
import { uncommitted } from './changes.js';
import { el, fileName } from './dom.js';
import { files } from './files.js';
import { helpButton, use } from './keys.js';
import { overview, place } from './overview.js';
import { tabAt } from './route.js';
import { tabs } from './tabs.js';
import { verification } from './verification.js';

const plain = (nodes) => ({ nodes, show() {}, keys: [] });

/**
 * {nodes, show}: the page of one snapshot; `show` takes a route.
 * @param about {file, number, host, form, holder, size, report, back}: what the container does not say of itself; `back` leads to the table
 */
export function app(snapshot, about) {
  const { omitted, stagedOmitted, manifest } = snapshot;
  const { badge, nodes: verified } = verification(snapshot, { ...about, verifyAt: tabAt(about.number, 'verify') });
  const go = (id) => { location.hash = tabAt(about.number, id); };
  const parts = [
    { id: 'overview', label: 'Overview', make: () => plain(overview(snapshot, about)) },
    { id: 'files', label: 'Files', count: manifest.summary.files, make: () => files(snapshot, about) },
    { id: 'changes', label: 'Uncommitted', count: snapshot.uncommitted, make: () => uncommitted(snapshot) },
    { id: 'environment', label: 'Environment', make: () => plain(environment(snapshot)) },
    { id: 'left-out', label: 'Left out', count: omitted.length + stagedOmitted.length, make: () => plain(leftOut(snapshot)) },
    { id: 'verify', label: 'Verify', make: () => plain(verified) },
  ];
  const { bar, panels, show } = tabs(parts, go);
  const common = [
    { key: 't', what: 'go to a file by its name', run: () => { go('files'); setTimeout(() => document.querySelector('.by-name')?.focus()); } },
    { key: '/', what: 'search the contents of all files', run: () => { go('files'); setTimeout(() => document.querySelector('.by-content')?.focus()); } },
    ...parts.map(({ id, label }, i) => ({ key: String(i + 1), what: label, run: () => go(id) })),
    ...(about.back === null ? [] : [{ key: 'u', also: ['Escape'], what: 'back to the table', run: () => { location.hash = about.back; } }]),
  ];
  return {
    nodes: [
      el('header', {}, el('div', { className: 'top' },
        about.back === null ? null : el('a', { href: about.back, className: 'badge' }, '\u2190 all'),
        el('h1', { title: fileName(about.file) }, fileName(about.file)), badge,
        el('span', { className: 'quiet' }, place(snapshot)), helpButton()), bar),
      el('main', {}, panels),
    ],
    show(route) {
      const keys = show(route.tab, route);
      use([...keys, ...common.filter(({ key }) => !keys.some((it) => it.key === key))]);
    },
  };
}
