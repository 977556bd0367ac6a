// Keys: what the current view has, and the list of them that `?` shows.
import { el } from './dom.js';

const COMMON = [{ key: '?', what: 'this list', run: () => help() }];
let current = [];

/** The keys of a view, each {key, what, run}; `also` are others that do the same. Those of the view before are gone. */
export function use(list) {
  current = list;
}

const isTyping = (target) => target instanceof HTMLElement && (target.isContentEditable || target.matches('textarea, select, input:not([type=checkbox], [type=radio])'));

// What a browser does by itself when Enter or the space bar is pressed.
const isPressed = ({ key, target }) => (key === 'Enter' || key === ' ') && target instanceof HTMLElement && target.matches('button, a, summary, select');

function help() {
  const rows = [...current, ...COMMON].map(({ key, also = [], what }) => [
    el('dt', {}, [key, ...also].map((it) => [el('kbd', {}, it), ' '])), el('dd', {}, what)]);
  const dialog = el('dialog', { className: 'help', 'aria-label': 'Keys', onclose: () => dialog.remove(), onclick: (event) => event.target === dialog && dialog.close() },
    el('h2', {}, 'Keys'), el('dl', {}, rows), el('button', { className: 'plain', onclick: () => dialog.close() }, 'Close'));
  document.body.append(dialog);
  dialog.showModal();
}

export const helpButton = () => el('button', { className: 'plain', title: 'Keys (?)', 'aria-label': 'Keys', onclick: help }, '?');

addEventListener('keydown', (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  if (isTyping(event.target)) {
    if (event.key === 'Escape') event.target.blur();
    return;
  }
  if (isPressed(event)) return;
  const found = [...current, ...COMMON].find(({ key, also = [] }) => [key, ...also].includes(event.key));
  if (!found) return;
  event.preventDefault();
  found.run(event);
});
