// Tabs, as the ARIA practices have them: arrows move between them, each panel is made when it is first shown.
import { el } from './dom.js';

/**
 * {bar, panels, show}: `show(id, route)` shows a tab, of an unknown id the first, and gives its keys.
 * @param list {id, label, count, make}: `make` gives {nodes, show, keys}
 * @param go called with the id of a tab that was chosen
 */
export function tabs(list, go) {
  const made = new Map();
  const panels = list.map(({ id }) => el('div', { id: `panel-${id}`, className: `panel of-${id}`, role: 'tabpanel', hidden: true, 'aria-labelledby': `tab-${id}` }));
  const move = (i) => {
    go(list[i].id);
    buttons[i].focus();
  };
  const buttons = list.map(({ id, label, count }, i) => el('button', {
    id: `tab-${id}`, role: 'tab', 'aria-controls': `panel-${id}`, onclick: () => go(id),
    onkeydown(event) {
      const to = { ArrowLeft: i - 1, ArrowRight: i + 1, Home: 0, End: list.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      move((to + list.length) % list.length);
    },
  }, label, count ? el('span', { className: 'count' }, count.toLocaleString('en')) : null));
  const show = (id, route) => {
    const chosen = Math.max(0, list.findIndex((it) => it.id === id));
    list.forEach((_, i) => {
      panels[i].hidden = i !== chosen;
      buttons[i].setAttribute('aria-selected', String(i === chosen));
      buttons[i].tabIndex = i === chosen ? 0 : -1;
    });
    if (!made.has(chosen)) {
      made.set(chosen, list[chosen].make());
      panels[chosen].append(...[made.get(chosen).nodes].flat());
    }
    made.get(chosen).show(route);
    return made.get(chosen).keys;
  };
  return { bar: el('nav', { 'aria-label': 'Parts' }, el('div', { role: 'tablist', className: 'tabs' }, buttons)), panels, show };
}
