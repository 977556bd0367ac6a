// Paths as directories that fold.
import { el, name } from './dom.js';

const MOST = 2_000; // of one directory

/** The directories and files of sorted paths, as nested maps. */
function nest(paths) {
  const root = new Map();
  for (const path of paths) {
    const parts = path.split('/');
    let at = root;
    for (const part of parts.slice(0, -1)) {
      // A file and a directory of one name can stand in the tree of an old commit.
      if (!at.has(`${part}/`)) at.set(`${part}/`, new Map());
      at = at.get(`${part}/`);
    }
    at.set(parts.at(-1), path);
  }
  return root;
}

/**
 * A list of folded directories; what is in one is made when it is opened.
 * @param {string[]} paths binary strings
 * @param {(path: string, label: string) => Node} leaf what stands for a file
 * @param {{open: boolean, changed?: Set<string>}} options open: unfolded; changed: directories that are marked
 */
export function tree(paths, leaf, { open, changed = new Set() }) {
  const branch = (level, prefix) => {
    const entries = [...level].sort(([a, x], [b, y]) => (y instanceof Map) - (x instanceof Map) || (a < b ? -1 : 1));
    const rest = entries.length - MOST;
    return [...entries.slice(0, MOST).map((entry) => twig(entry, prefix)), ...(rest > 0 ? [el('li', { className: 'quiet' }, `and ${rest.toLocaleString('en')} more: filter by name`)] : [])];
  };
  const twig = ([part, inner], prefix) => {
    if (!(inner instanceof Map)) return el('li', {}, leaf(inner, part));
    const list = el('ul', {});
    const fill = () => list.childElementCount === 0 && list.append(...branch(inner, prefix + part));
    const directory = prefix + part.slice(0, -1);
    const details = el('details', { ontoggle: fill }, el('summary', { className: changed.has(directory) ? 'changed' : '' }, name(part.slice(0, -1))), list);
    details.dataset.directory = directory;
    details.addEventListener('fill', fill);
    if (open) {
      fill();
      details.open = true;
    }
    return el('li', {}, details);
  };
  return branch(nest(paths), '');
}

/** Unfold what is above a path, in a list that `tree` has filled. */
export function unfold(list, path) {
  const parts = path.split('/');
  for (let count = 1; count < parts.length; count++) {
    const directory = parts.slice(0, count).join('/');
    const details = [...list.querySelectorAll('details')].find((it) => it.dataset.directory === directory);
    if (!details) return;
    details.dispatchEvent(new Event('fill'));
    details.open = true;
  }
}
