// Parts of the page that need no browser: commands, addresses, filters, differences, pictures' headers.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { binary } from '../src/bytes.js';
import { meaning } from '../page/damage.js';
import { resolved } from '../page/markdown.js';
import { pictureOf } from '../page/picture.js';
import { withRenames } from '../page/renames.js';
import { compareAt, fileAt, parse, tabAt } from '../page/route.js';
import { cellOf, filterOf, labelsOf, numberOf, sorted, valueOf } from '../page/rows.js';
import { asPython, commandLine, quoted } from '../page/shell.js';
import { CLASSES } from '../src/errors.js';

/** Bytes that a path may have, in an order that is the same each time. */
function* names() {
  const special = ["a b", "it's", '$(id)', '`id`', '\\', '\n', '\t', '"', '!', '*', '~', '-x', '#', ';', '\u202e', 'é', '𝄞', '\u00a0', '\u200b', "'\\''", "\\'"];
  for (const text of special) yield Buffer.from(text);
  for (let byte = 1; byte < 256; byte++) if (byte !== 0x2f) yield Buffer.from([0x61, byte, 0x62]);
  let state = 7;
  for (let i = 0; i < 200; i++) {
    yield Buffer.from(Array.from({ length: 8 }, () => {
      state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
      return 1 + (state >> 8) % 255;
    }).map((it) => (it === 0x2f ? 0x30 : it)));
  }
}

test('what is copied is one word for a shell, and shows what it is', () => {
  const all = [...names()];
  const words = all.map((name) => quoted(asPython(binary(name))));
  const out = execFileSync('bash', ['-c', `printf '%s\\0' ${words.join(' ')}`], { maxBuffer: 1 << 24 });
  assert.deepEqual(out.toString('latin1').split('\0').slice(0, -1), all.map((name) => name.toString('latin1')));
  for (const word of words) assert.ok(!/[\x00-\x1f\x7f-\xa0\u200b-\u200f\u202a-\u202e\ud800-\udfff]/.test(word.replace(/[\ud800-\udbff][\udc00-\udfff]/g, '')), JSON.stringify(word));
  assert.equal(commandLine('restore', '-f.pt'), 'jelly restore ./-f.pt');
  assert.equal(commandLine('cat', 'm.pt', '--help'), 'jelly cat -- m.pt --help');
});

test('addresses lead back to what they were made of', () => {
  for (const name of names()) {
    const path = `d/${binary(name)}:L3`;
    for (const [number, first, last, lines] of [[null, null, null, null], [7, 3, 3, [3, 3]], [0, 4, 9, [4, 9]]]) {
      const hash = first === null ? fileAt(number, path) : fileAt(number, path, first, last);
      assert.deepEqual(parse(hash), { view: 'one', number, tab: 'files', path, lines });
      assert.deepEqual(parse(new URL(hash, 'http://127.0.0.1/').hash), { view: 'one', number, tab: 'files', path, lines });
    }
  }
  assert.deepEqual(parse('#file:ümlaut.py:L9-L2'), { view: 'one', number: null, tab: 'files', path: 'Ã¼mlaut.py', lines: [2, 9] });
  assert.deepEqual(parse(tabAt(3, 'verify')), { view: 'one', number: 3, tab: 'verify', path: null, lines: null });
  assert.deepEqual(parse(compareAt(3, 9, 'labels')), { view: 'compare', numbers: [3, 9], tab: 'labels' });
  assert.deepEqual(parse(''), { view: 'list' });
  assert.equal(parse('#at:99999999999999/files').number, null);
});

test('links of Markdown stay in the snapshot, or lead nowhere', () => {
  for (const [href, from, found] of [
    ['b.py', 'a/README.md', 'a/b.py'], ['../b.py#x', 'a/README.md', 'b.py'], ['/b.py', 'a/c/README.md', 'b.py'], ['./x%20y', 'README.md', 'x y'], ['../x', 'README.md', null],
    ['javascript:x', 'README.md', null], ['//host/x', 'README.md', null], ['#x', 'README.md', null], ['%ff', 'README.md', null], ['a/../../x', 'README.md', null],
  ]) assert.equal(resolved(href, from), found, href);
});

test('rows are filtered by words and conditions, and sorted as numbers where they are', () => {
  const rows = [
    { file: 'runs/a.pt', time: 10, ref: 'refs/heads/main', commit: 'c'.repeat(40), dirty: true, snapshot_id: '1'.repeat(64), labels: { loss: '0.5', file: 'shadowed', __proto__: null } },
    { file: 'runs/b.pt', time: 9, ref: null, commit: 'd'.repeat(40), snapshot_id: '2'.repeat(64), labels: { loss: '1e-3', constructor: 'x' }, note: 'Wider net' },
    { file: 'c.pt', damaged: { class: 'truncated', message: 'm' } },
  ];
  const found = (text) => rows.map((_, i) => i).filter((i) => filterOf(text)(rows[i]));
  for (const [text, wanted] of [['', [0, 1, 2]], ['runs', [0, 1]], ['loss<0.1', [1]], ['loss>=0.5', [0]], ['branch=detached', [1]], ['note~WIDER', [1]], ['"wider net"', [1]], ['file=shadowed', [0]], ['loss=1e-3 note~net', [1]], ['missing!=1', []],
    ['toString=x', []], ['constructor=x', [1]], ['commit~+', [0]], ['<', []]]) assert.deepEqual(found(text), wanted, text);
  assert.deepEqual(sorted([0, 1, 2], rows, 'label:loss', false), [1, 0, 2]);
  assert.deepEqual(sorted([0, 1, 2], rows, 'label:loss', true), [0, 1, 2]);
  assert.deepEqual(sorted([0, 1, 2], rows, 'time', false), [1, 0, 2]);
  assert.deepEqual(sorted([0, 1, 2], rows, 'file', true), [1, 0, 2]);
  assert.equal(valueOf(rows[2], 'branch'), '');
  assert.deepEqual(['file', 'label:file', 'label:loss', 'label:no'].map((it) => cellOf(rows[0], it)), ['runs/a.pt', 'shadowed', '0.5', null]);
  assert.deepEqual(['1', '-.5', '1e5', '1e999', 'NaN', '0x1', '', ' 1', '1_0'].map(numberOf), [1, -0.5, 100_000, null, null, null, null, null, null]);
  assert.deepEqual(labelsOf([{ labels: { a: '1', b: 'x' } }, { labels: { a: '2', b: 'x' } }, {}]).same, []);
  assert.deepEqual(labelsOf([{ labels: { a: '1', b: 'x' } }, { labels: { a: '2', b: 'x' } }]), { names: ['a', 'b'], differing: ['a'], same: [['b', 'x']], numeric: ['a'] });
});

test('renames are told as git tells them', () => {
  const contents = new Map();
  const entry = (text) => {
    const oid = text;
    contents.set(oid, Buffer.from(text));
    return { mode: 0o100644, oid };
  };
  const bytes = ({ oid }) => contents.get(oid);
  const lines = (...numbers) => numbers.map((it) => `a line that says ${it}\n`).join('');
  const entries = [
    { path: 'a', old: entry(lines(1, 2, 3, 4)), marks: [] }, { path: 'b', old: entry(lines(5, 6, 7, 8)), marks: [] }, { path: 'c', now: entry(lines(1, 2, 3, 9)), marks: [] },
    { path: 'd', now: entry(lines(5, 6, 7, 8)), marks: [] }, { path: 'e', now: entry(lines(10, 11, 12)), marks: [] }, { path: 'f', old: entry(''), marks: [] },
  ];
  assert.deepEqual(withRenames(entries, bytes, bytes).map(({ from, path }) => [from ?? null, path]), [['a', 'c'], ['b', 'd'], [null, 'e'], [null, 'f']]);
});

test('the size of a picture is read before it is decoded', () => {
  const gif = Buffer.from('GIF89a\x20\x03\x58\x02'.padEnd(40, '\0'), 'latin1');
  assert.deepEqual(pictureOf(gif), { type: 'image/gif', width: 800, height: 600 });
  const jpeg = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 1, 0xff, 0xc0, 0, 11, 8, 0, 5, 0, 9, ...Array(20).fill(0)]);
  assert.deepEqual(pictureOf(jpeg), { type: 'image/jpeg', width: 9, height: 5 });
  const webp = Buffer.from('RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0\x07\0\0\x04\0\0'.padEnd(40, '\0'), 'latin1');
  assert.deepEqual(pictureOf(webp), { type: 'image/webp', width: 8, height: 5 });
  for (const bytes of ['', 'GIF89a', '<svg xmlns="http://www.w3.org/2000/svg"/>'.padEnd(60), `GIF89a${'\xff'.repeat(40)}`, `\xff\xd8\xff${'\xff'.repeat(60)}`]) assert.equal(pictureOf(Buffer.from(bytes, 'latin1')), null);
});

test('every class of fault is explained', () => {
  for (const cls of CLASSES.filter((it) => !/^(?:refused|system)/.test(it))) assert.equal(typeof meaning(cls), 'string', cls);
  assert.equal(meaning(undefined), null);
});
