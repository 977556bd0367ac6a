// All checkpoints as a table: sorted, filtered, plotted, two of them chosen to be compared.
import { inBrief } from './damage.js';
import { el, fileName, line, plural } from './dom.js';
import { helpButton, use } from './keys.js';
import { plot } from './plot.js';
import { compareAt, tabAt } from './route.js';
import { FACTS, cellOf, coloursOf, columnOf, filterOf, labelUnder, labelsOf, numberOf, sorted } from './rows.js';

const PAGE = 200;
const LABELS = 6;
const MOST_COLUMNS = 40;
const DIGITS = 6;
const WIDEST = 60;

/** A value for a cell: of a long number so many digits as tell checkpoints apart. */
function shown(row, column) {
  const value = cellOf(row, column);
  if (value === null) return '';
  if (column === 'file') return fileName(value);
  const number = value.length > DIGITS + 2 && labelUnder(column) !== null ? numberOf(value) : null;
  if (number !== null) return String(Number(number.toPrecision(DIGITS)));
  return value.length > WIDEST ? `${line(value.slice(0, WIDEST))}\u2026` : line(value);
}

/** {nodes, show}: the page of the table. `found` is the server's listing: rows, and the number of each, which it keeps. */
export function list(found) {
  const { rows, numbers: ids } = found;
  const labels = labelsOf(rows);
  const colourOf = coloursOf(rows);
  const facts = rows.some(({ signatures }) => signatures?.length) ? [...FACTS, 'signed'] : FACTS;
  let columns = [...facts, ...labels.differing.slice(0, LABELS).map(columnOf), 'changed'];
  let sort = { name: null, isDown: false };
  let numbers = rows.map((_, i) => i);
  let count = PAGE;
  let current = null; // the number of the row that j and k have come to
  const chosen = []; // two at most, the older first
  const [head, body] = [el('tr', {}), el('tbody', {})];
  const more = el('button', { className: 'plain', onclick: () => { count += PAGE; fill(); } });
  const said = el('span', { className: 'quiet', role: 'status' });
  const compare = el('button', { className: 'plain compare', onclick: () => go() });

  function go() {
    if (chosen.length === 2) location.hash = compareAt(...[...chosen].sort((a, b) => a - b).map((number) => ids[number]));
  }

  function choose(number) {
    const at = chosen.indexOf(number);
    if (at >= 0) chosen.splice(at, 1);
    else chosen.push(number);
    if (chosen.length > 2) chosen.shift();
    mark();
  }

  function mark() {
    for (const row of body.children) {
      const is = chosen.includes(Number(row.dataset.number));
      row.classList.toggle('chosen', is);
      row.querySelector('input').checked = is;
    }
    compare.disabled = chosen.length < 2;
    compare.textContent = chosen.length < 2 ? 'Choose two to compare (x)' : `Compare ${chosen.map((number) => fileName(rows[number].file).split('/').at(-1)).join(' with ')} (c)`;
  }

  function cell(row, number, name) {
    if (name === 'file') {
      return el('th', { scope: 'row' }, el('a', { href: tabAt(ids[number], 'overview'), title: shown(row, 'file') }, shown(row, 'file')),
        row.damaged ? el('div', { className: 'bad' }, inBrief(row.damaged)) : null,
        row.edited ? el('div', { className: 'amber', title: 'It may not be what ran.' }, `${plural(row.edited, 'file')} changed after the program had loaded ${row.edited === 1 ? 'it' : 'them'}`) : null);
    }
    if (name === 'code' && row.snapshot_id) return el('td', { className: 'code-id' }, el('span', { className: `swatch ${colourOf(row)}` }), el('code', {}, row.snapshot_id.slice(0, 12)));
    const value = shown(row, name);
    const isNumber = labelUnder(name) !== null && numberOf(cellOf(row, name)) !== null;
    return el('td', { className: isNumber ? 'to-right' : name === 'changed' ? 'changed' : '', title: name === 'changed' && value ? `since ${fileName(row.since ?? '')}` : null }, value);
  }

  function rowOf(number) {
    const row = rows[number];
    const box = el('input', { type: 'checkbox', 'aria-label': `choose ${fileName(row.file)}`, onchange: () => choose(number) });
    const out = el('tr', {}, el('td', {}, box), columns.map((name) => cell(row, number, name)));
    out.dataset.number = number;
    return out;
  }

  function fillHead() {
    const title = (name) => line(labelUnder(name) ?? name);
    head.replaceChildren(el('td', {}), ...columns.map((name) => {
      const is = sort.name === name;
      const button = el('button', { title: `Sort by ${title(name)}`, onclick() {
        sort = is && sort.isDown ? { name: null, isDown: false } : { name, isDown: is };
        order();
        head.querySelectorAll('button')[columns.indexOf(name)].focus();
      } }, title(name), is ? (sort.isDown ? ' \u25be' : ' \u25b4') : '');
      return el('th', { scope: 'col', className: labels.numeric.includes(labelUnder(name)) ? 'to-right' : '', 'aria-sort': is ? (sort.isDown ? 'descending' : 'ascending') : null }, button);
    }));
  }

  function fill() {
    body.replaceChildren(...numbers.slice(0, count).map(rowOf));
    more.hidden = numbers.length <= count;
    more.textContent = `Show ${Math.min(PAGE, numbers.length - count)} more`;
    said.textContent = numbers.length === rows.length ? plural(rows.length, 'checkpoint') : `${numbers.length.toLocaleString('en')} of ${plural(rows.length, 'checkpoint')}`;
    mark();
  }

  function order() {
    const fits = filterOf(filter.value);
    numbers = rows.map((_, i) => i).filter((i) => fits(rows[i]));
    if (sort.name !== null) numbers = sorted(numbers, rows, sort.name, sort.isDown);
    count = PAGE;
    fillHead();
    fill();
    graph?.draw([...numbers].sort((a, b) => a - b));
  }

  function focus(number) {
    const at = numbers.indexOf(number);
    if (at < 0) return;
    current = number;
    if (at >= count) {
      count = PAGE * Math.ceil((at + 1) / PAGE);
      fill();
    }
    const link = body.children[at].querySelector('a');
    link.focus({ preventScroll: true });
    body.children[at].scrollIntoView({ block: 'nearest' });
  }

  // Whoever moved the focus by other means goes on from there.
  const here = () => {
    const row = document.activeElement?.closest?.('tr[data-number]');
    return row && body.contains(row) ? Number(row.dataset.number) : current;
  };
  const step = (by) => {
    const at = numbers.indexOf(here());
    focus(numbers[at < 0 ? 0 : Math.max(0, Math.min(numbers.length - 1, at + by))]);
  };

  const filter = el('input', {
    type: 'search', placeholder: 'Filter (/): words, or loss<0.2 branch=main note~wider', 'aria-label': 'Filter checkpoints', oninput: order,
    onkeydown: (event) => event.key === 'Enter' && (filter.blur(), focus(numbers[0])),
  });
  const graph = plot({ rows, numeric: labels.numeric, colourOf, onChoose: focus });
  const boxes = [...facts.slice(1), ...labels.names.slice(0, MOST_COLUMNS).map(columnOf), 'host', 'run', 'subject', 'note', 'changed'].map((name) => {
    const box = el('input', { type: 'checkbox', checked: columns.includes(name), onchange() {
      columns = box.checked ? [...columns, name] : columns.filter((it) => it !== name);
      if (sort.name !== null && !columns.includes(sort.name)) sort = { name: null, isDown: false };
      order();
    } });
    return el('label', {}, box, ` ${line(labelUnder(name) ?? name)}`);
  });
  const notes = [
    labels.same.length ? `The same in all: ${labels.same.slice(0, 20).map(([name, value]) => `${line(name)}=${line(value)}`).join(', ')}` : null,
    found.left_out ? `${plural(found.left_out, 'checkpoint')} more than this page can show: name fewer, or use jelly log.` : null,
    found.without ? `${plural(found.without, 'file')} without a snapshot.` : null,
    facts.includes('signed') ? 'Signed: the keys that checkpoints name, not checked here. jelly verify --signers SIGNERS FILE says whether a signature is good, and whose it is.' : null,
    labels.names.length > MOST_COLUMNS ? `${plural(labels.names.length - MOST_COLUMNS, 'label')} more than there are boxes for: filter by their names.` : null,
  ].filter(Boolean);
  order();
  const nodes = [
    el('header', {}, el('div', { className: 'top' }, el('h1', { title: fileName(found.name) }, fileName(found.name)), said, helpButton())),
    el('main', { className: 'panel list' }, graph?.node,
      el('div', { className: 'choice' }, filter, compare),
      el('details', { className: 'columns-choice' }, el('summary', {}, 'Columns'), el('div', { className: 'boxes' }, boxes)),
      rows.length === 0 ? el('p', { className: 'empty' }, 'No snapshots here.')
        : el('div', { className: 'scrolled card', tabIndex: 0, role: 'region', 'aria-label': 'Checkpoints' }, el('table', { className: 'checkpoints' }, el('thead', {}, head), body)),
      more, notes.map((text) => el('p', { className: 'quiet' }, text))),
  ];
  return {
    nodes,
    show() {
      use([
        { key: 'j', what: 'the next checkpoint', run: () => step(1) },
        { key: 'k', what: 'the checkpoint before', run: () => step(-1) },
        { key: 'Enter', what: 'open it', run: () => here() !== null && (location.hash = tabAt(ids[here()], 'overview')) },
        { key: 'x', what: 'choose it, to compare two', run: () => here() !== null && choose(here()) },
        { key: 'c', what: 'compare the two that are chosen', run: go },
        { key: '/', also: ['t'], what: 'filter', run: () => filter.focus() },
      ]);
      if (current !== null) focus(current);
    },
  };
}
