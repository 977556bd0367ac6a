// A label over time, or over another one: each code has its colour, each run its line.
import { el, fileName, line, plural, svg } from './dom.js';
import { cellOf, columnOf, labelUnder, numberOf, timeText } from './rows.js';

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [1200, 260, 64, 16, 12, 30];
const MOST = 4_000;
const TELLING = /loss|acc|err|score|metric|bleu|f1|perplexity|reward/i;
const COUNTING = /^(?:epoch|step|iteration|global_step|sequence|batch)s?$/i;

/** Round numbers from `low` to `high`. */
function ticks(low, high, count) {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [low];
  const raw = span / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((it) => it * power).find((it) => it >= raw);
  const out = [];
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9 && out.length < 20; at++) out.push(at * step);
  return out;
}

const STEPS = [1, 5, 15, 30, 60, 300, 900, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800];

/** Round times, in seconds, from `low` to `high`. */
function times(low, high, count) {
  const step = STEPS.find((it) => it >= (high - low) / count);
  if (step === undefined) return ticks(low / 86_400, high / 86_400, count).map((it) => it * 86_400);
  const first = Math.ceil(low / step) * step;
  return Array.from({ length: Math.max(0, Math.floor((high - first) / step) + 1) }, (_, i) => first + i * step);
}

const short = (value) => String(Number(value.toPrecision(4)));

/** The label that people look at first; null where none is a number. */
const first = (names) => names.find((name) => TELLING.test(name)) ?? names.find((name) => !COUNTING.test(name)) ?? names[0] ?? null;

/** Points {number, x, y} of rows; of too many a part, evenly. */
function pointsOf(numbers, rows, label, over, isLog) {
  const found = [];
  let unshown = 0;
  for (const number of numbers) {
    const row = rows[number];
    const y = numberOf(cellOf(row, columnOf(label)));
    const x = over === 'time' ? row.time ?? null : over === 'order' ? number : numberOf(cellOf(row, over));
    if (x === null || y === null || Math.abs(x) > 1e300 || Math.abs(y) > 1e300 || (isLog && y <= 0)) unshown += cellOf(row, columnOf(label)) !== null;
    else found.push({ number, x, y: isLog ? Math.log10(y) : y });
  }
  const every = Math.ceil(found.length / MOST);
  return { points: every > 1 ? found.filter((_, i) => i % every === 0) : found, unshown, thinned: every > 1 ? every : 0 };
}

function drawing({ points }, { rows, colourOf, label, over, isLog, onChoose }) {
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const bounds = (values) => {
    const [low, high] = [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), -Infinity)];
    return low === high ? [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2] : [low, high];
  };
  const [[left, right], [low, high]] = [bounds(xs), bounds(ys)];
  const at = ({ x, y }) => [LEFT + ((x - left) / (right - left)) * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - ((y - low) / (high - low)) * (HEIGHT - TOP - BOTTOM)].map((it) => it.toFixed(1));
  const said = (y) => short(isLog ? 10 ** y : y);
  const grid = ticks(low, high, 5).map((y) => [svg('line', { class: 'grid', x1: LEFT, x2: WIDTH - RIGHT, y1: at({ x: left, y })[1], y2: at({ x: left, y })[1] }),
    svg('text', { x: LEFT - 8, y: Number(at({ x: left, y })[1]) + 4, 'text-anchor': 'end' }, said(y))]);
  const below = (over === 'time' ? times(left, right, 8).map((x) => [x, timeText(x).slice(0, right - left > 8 * 86_400 ? 10 : right - left < 480 ? 19 : 16)]) : ticks(left, right, 8).map((x) => [x, short(x)]))
    .map(([x, text]) => [Number(at({ x, y: low })[0]), text]).filter(([x]) => x > 50 && x < WIDTH - 50).map(([x, text]) => svg('text', { x, y: HEIGHT - 8, 'text-anchor': 'middle' }, text));
  const runs = new Map();
  for (const point of points) {
    const { run, file } = rows[point.number];
    const key = run ? run.id : file.slice(0, file.lastIndexOf('/') + 1);
    runs.set(key, [...(runs.get(key) ?? []), point]);
  }
  const lines = [...runs.values()].filter((list) => list.length > 1 && list.length <= MOST)
    .map((list) => svg('polyline', { class: 'run', points: [...list].sort((a, b) => a.x - b.x).map((point) => at(point).join(',')).join(' ') }));
  const dots = points.map((point) => {
    const [cx, cy] = at(point);
    const row = rows[point.number];
    return svg('circle', { class: colourOf(row), cx, cy, r: points.length > 400 ? 2.5 : 4.5, onclick: () => onChoose(point.number) },
      svg('title', {}, `${fileName(row.file)}: ${line(label)} ${said(point.y)}`));
  });
  return svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `${line(label)} over ${line(labelUnder(over) ?? over)}: ${plural(points.length, 'point')}, from ${said(low)} to ${said(high)}` }, grid, below, lines, dots);
}

/**
 * {node, draw}: `draw(numbers)` shows these rows. Null where no label is a number.
 * @param {{rows: object[], numeric: string[], colourOf: (row: object) => string, onChoose: (number: number) => void}} options
 */
export function plot({ rows, numeric, colourOf, onChoose }) {
  if (numeric.length === 0) return null;
  let drawn = [];
  const option = (value, text = value) => el('option', { value }, text);
  const change = () => draw(drawn);
  const label = el('select', { 'aria-label': 'Label', onchange: change }, numeric.map((name) => option(name, line(name))));
  label.value = first(numeric);
  const over = el('select', { 'aria-label': 'Over', onchange: change }, option('time', 'over time'), option('order', 'in order'), numeric.map((name) => option(columnOf(name), `over ${line(name)}`)));
  // a snapshot is often taken once for a whole run: then time does not tell its checkpoints apart
  over.value = new Set(rows.map(({ time }) => time)).size * 2 < rows.length ? 'order' : 'time';
  const log = el('input', { type: 'checkbox', onchange: change });
  const [holder, said] = [el('div', { className: 'drawing' }), el('span', { className: 'quiet', role: 'status' })];
  function draw(numbers) {
    drawn = numbers;
    const found = pointsOf(numbers, rows, label.value, over.value, log.checked);
    const words = [plural(found.points.length, 'point'), found.unshown ? `${found.unshown} that cannot be drawn` : null, found.thinned ? `one of every ${found.thinned}` : null];
    said.textContent = words.filter(Boolean).join(', ');
    if (found.points.length === 0) holder.replaceChildren(el('p', { className: 'empty' }, 'Nothing to draw.'));
    else holder.replaceChildren(drawing(found, { rows, colourOf, label: label.value, over: over.value, isLog: log.checked, onChoose }));
  }
  const node = el('section', { className: 'card plot', 'aria-label': 'Plot' }, el('div', { className: 'choice' }, label, over, el('label', {}, log, ' logarithmic'), said), holder);
  return { node, draw };
}
