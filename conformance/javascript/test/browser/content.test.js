// What files hold: links to lines, search, Markdown, notebooks, pictures, renames; hostile contents of each.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { MARKUP } from '../hostile.js';
import { commit, git, init, join, snapshot, write } from '../fixtures.js';
import { CLEAN, at, badge, opened, root, strangers, traces, viewing } from './browser.js';

function crc(bytes) {
  let found = ~0;
  for (const byte of bytes) {
    found ^= byte;
    for (let i = 0; i < 8; i++) found = (found >>> 1) ^ (0xedb88320 & -(found & 1));
  }
  return ~found >>> 0;
}

/** A PNG of one colour whose header says so large a size. */
function png(width, height, colour = [10, 200, 30], said = [width, height]) {
  const chunk = (type, data) => {
    const out = Buffer.alloc(12 + data.length);
    out.writeUInt32BE(data.length);
    out.write(type, 4);
    data.copy(out, 8);
    out.writeUInt32BE(crc(out.subarray(4, 8 + data.length)), 8 + data.length);
    return out;
  };
  const head = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
  head.writeUInt32BE(said[0]);
  head.writeUInt32BE(said[1], 4);
  const row = Buffer.from([0, ...Array.from({ length: width }, () => colour).flat()]);
  return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]), chunk('IHDR', head), chunk('IDAT', deflateSync(Buffer.concat(Array.from({ length: height }, () => row)))), chunk('IEND', Buffer.alloc(0))]);
}

const MARKDOWN = `# Title of it

Text with **bold**, \`code\`, [a file](src/train.py#x), [a site](https://example.org/?a=1&b=2), [bad](javascript:window.hit=1), [bad too](JaVaScRiPt:window.hit=1), [data](data:text/html,x), [up](../../etc/passwd).
<img src=x onerror=window.hit=1> &lt;kept&gt; &#x202e;turned \u202eraw

${MARKUP}

<svg><script>window.hit=1</script></svg>

![a picture](pictures/green.png) ![elsewhere](https://example.org/x.png) ![svg](pictures/x.svg)

- [x] done
- one
  - two

| a | b |
|---|--:|
| 1 | ${MARKUP} |

> quoted

\`\`\`python
def f(): pass
\`\`\`

[ref]: javascript:window.hit=1
[ref]
`;

const NOTEBOOK = {
  cells: [
    { cell_type: 'markdown', source: ['# In a notebook\n', MARKUP, '\n[x](javascript:window.hit=1)'] },
    {
      cell_type: 'code', execution_count: 3, source: 'print("hello")', outputs: [
        { output_type: 'stream', name: 'stdout', text: ['hello\n'] },
        { output_type: 'display_data', data: { 'text/html': MARKUP, 'text/plain': '<Figure>', 'application/javascript': 'window.hit=1', 'image/svg+xml': '<svg onload="window.hit=1"/>' } },
        { output_type: 'display_data', data: { 'image/png': png(4, 3).toString('base64'), 'text/plain': 'picture' } },
        { output_type: 'error', ename: 'E', evalue: MARKUP, traceback: ['\u001b[31mTraceback\u001b[0m', MARKUP] },
        null, 7, { output_type: 'stream', text: 7 },
      ],
    },
    { cell_type: '__proto__', source: { toString: 'x' } }, null, 'text',
  ],
  metadata: { language_info: { file_extension: '.py' } },
};

let container = null;

/** A container of all that; made once. */
function made() {
  container ??= build();
  return container;
}

async function build() {
  const repo = init(root, 'contents');
  write(repo, 'README.md', MARKDOWN);
  write(repo, 'src/train.py', Array.from({ length: 200 }, (_, i) => `line_${i + 1} = ${i}\n`).join(''));
  write(repo, 'src/deep/er/needle.txt', 'hay\nThe Needle is here\nhay\n');
  write(repo, 'book.ipynb', JSON.stringify(NOTEBOOK));
  write(repo, 'not a book.ipynb', '{"cells": 1');
  write(repo, 'deep.md', `${'>'.repeat(20_000)} deep\n${'- '.repeat(500)}x\n${'*_'.repeat(5_000)}`);
  write(repo, 'brackets.md', `${'['.repeat(20_000)}\n${'![('.repeat(3_000)}`);
  write(repo, 'underscores.md', `# first\n\n${'_a'.repeat(40_000)}\n`);
  write(repo, 'huge.txt', `first\n${'x'.repeat(2_000_000)}\nlast\n`);
  write(repo, 'pictures/x.svg', '<svg xmlns="http://www.w3.org/2000/svg" onload="window.hit=1"><script>window.hit=1</script></svg>');
  for (const [file, bytes] of [['green', png(8, 5)], ['bomb', png(1, 1, [0, 0, 0], [60_000, 60_000])], ['broken', png(8, 5).subarray(0, 40)]]) {
    write(repo, `pictures/${file}.png`, '');
    writeFileSync(join(repo, `pictures/${file}.png`), bytes);
  }
  write(repo, "it's a \u202ename;rm -rf $HOME.txt", 'x\n');
  write(repo, '-option.txt', 'x\n');
  write(repo, 'moved.py', Array.from({ length: 30 }, (_, i) => `unchanged ${i}\n`).join(''));
  commit(repo, 'first');
  git(repo, 'mv', 'moved.py', 'src/elsewhere.py');
  return snapshot(root, repo, 'contents.jelly');
}

test('links lead to files and lines, keys and search find them', async () => {
  const file = await made();
  await viewing(file, (url) => opened(`${url}#file:src/train.py:L150-L152`, async (page, seen) => {
    await page.waitForSelector('.chosen-lines');
    const where = await page.evaluate(() => {
      const [chosen, lines, numbers] = ['.chosen-lines', '.code .lines', '.code .numbers'].map((it) => document.querySelector(it).getBoundingClientRect());
      const each = numbers.height / 200;
      return { first: (chosen.top - lines.top) / each, count: chosen.height / each, seen: chosen.top > 0 && chosen.bottom < innerHeight };
    });
    assert.ok(Math.abs(where.first - 149) < 0.1 && Math.abs(where.count - 3) < 0.05 && where.seen, JSON.stringify(where));
    assert.equal(await page.textContent('.tree [aria-current=true]'), 'train.py');
    const box = await (await page.$('.code .numbers')).boundingBox();
    await page.mouse.click(box.x + 5, box.y + (box.height / 200) * 153.5);
    await page.waitForFunction(() => location.hash === '#file:src/train.py:L154');
    // by the name of a file, then by what is in one
    await page.keyboard.press('t');
    await page.keyboard.type('needle');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => location.hash === '#file:src/deep/er/needle.txt');
    await page.keyboard.press('/');
    await page.keyboard.type('needle is');
    await page.waitForFunction(() => document.querySelector('.of-files [role=status]')?.textContent === '1 line in 1 file');
    assert.equal(await page.textContent('.found mark'), 'Needle is');
    await page.click('.found li a');
    await page.waitForFunction(() => location.hash === '#file:src/deep/er/needle.txt:L2');
    assert.equal(await page.textContent('.code code'), 'hay\nThe Needle is here\nhay\n');
    await page.fill('.by-content', 'Needle Is');
    await page.waitForFunction(() => document.querySelector('.of-files [role=status]')?.textContent === 'Not found');
    await page.fill('.by-name', '');
    await page.keyboard.press('Escape');
    await at(page, '#file:src/train.py');
    await page.keyboard.press('k');
    await page.waitForFunction(() => location.hash === '#file:src/elsewhere.py');
    await page.keyboard.press('j');
    await page.waitForFunction(() => location.hash === '#file:src/train.py');
    await page.goto('about:blank');
    await page.goto(`${url}#file:../../etc/passwd`);
    await page.waitForSelector('.of-files article p');
    assert.match(await page.textContent('.of-files article'), /There is no file/);
    assert.deepEqual(seen.complaints, []);
  }));
});

test('commands are copied so that a shell takes them for what they are', async () => {
  const file = await made();
  await viewing(file, (url) => opened(url, async (page) => {
    await badge(page);
    const commands = await page.$$eval('.of-overview .command', (list) => list.map((it) => it.textContent));
    assert.deepEqual(commands, [`jelly restore ${file}`, `jelly export ${file} code`, `jelly diff ${file}`]);
    await page.click('.of-overview .copied button');
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), commands[0]);
    for (const [part, wanted] of [["it's a", `jelly cat ${file} $'it\\'s a \\xe2\\x80\\xaename;rm -rf $HOME.txt'`], ['-option', `jelly cat -- ${file} -option.txt`]]) {
      await page.keyboard.press('t');
      await page.fill('.by-name', part);
      await page.keyboard.press('Enter');
      await page.waitForFunction((it) => document.querySelector('.of-files .bar strong')?.textContent.startsWith(it), part);
      await page.click('.bar button:has-text("Copy jelly cat")');
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), wanted);
    }
  }));
});

test('Markdown, notebooks and pictures are rendered, and nothing in them runs', async () => {
  const file = await made();
  await viewing(file, (url) => opened(`${url}#file:README.md`, async (page, seen) => {
    await page.waitForSelector('.markdown');
    const text = await page.textContent('.markdown');
    for (const part of [MARKUP, '<img src=x onerror=window.hit=1>', '<kept>', '<svg><script>']) assert.ok(text.includes(part), part);
    assert.ok(!/[\u202a-\u202e]/.test(text));
    assert.deepEqual(await page.$$eval('.markdown a', (list) => list.map((it) => [it.textContent, it.getAttribute('href'), it.rel])), [
      ['a file', '#file:src/train.py', ''], ['a site', 'https://example.org/?a=1&b=2', 'noopener noreferrer nofollow'],
    ]);
    assert.equal(await page.textContent('.markdown strong'), 'bold');
    assert.deepEqual(await page.$$eval('.markdown td', (list) => list.map((it) => it.textContent)), ['1', MARKUP]);
    const colour = () => page.evaluate(async () => {
      const canvas = document.querySelector('canvas');
      for (let i = 0; i < 50 && canvas.getContext('2d').getImageData(0, 0, 1, 1).data[3] === 0; i++) await new Promise((done) => { setTimeout(done, 20); });
      return [canvas.width, canvas.height, ...canvas.getContext('2d').getImageData(0, 0, 1, 1).data];
    });
    assert.deepEqual(await colour(), [8, 5, 10, 200, 30, 255]);
    assert.equal((await page.$$('.markdown canvas')).length, 1);
    await page.click('.bar button:has-text("Source")');
    assert.ok((await page.textContent('.code code')).startsWith('# Title of it\n'));

    await at(page, '#file:book.ipynb');
    await page.waitForSelector('.notebook');
    const book = await page.textContent('.notebook');
    for (const part of ['In a notebook', 'hello', 'not shown: text/html, application/javascript, image/svg+xml', 'Traceback', MARKUP, '[3]']) assert.ok(book.includes(part), part);
    assert.ok(!book.includes('[31m'));
    assert.deepEqual((await colour()).slice(0, 2), [4, 3]);

    await at(page, '#file:pictures/green.png');
    await page.waitForSelector('article canvas');
    assert.deepEqual(await colour(), [8, 5, 10, 200, 30, 255]);
    assert.match(await page.textContent('.bar'), /8 \u00d7 5/);
    for (const [path, wanted] of [['pictures/bomb.png', /binary/], ['pictures/x.svg', /window\.hit=1/], ['not%20a%20book.ipynb', /"cells": 1/], ['deep.md', /deep/], ['brackets.md', /\[\[\[/], ['underscores.md', /first_a_a/], ['huge.txt', /1,980,000|979,\d{3}|more characters/]]) {
      await at(page, `#file:${path}`);
      await page.waitForFunction((it) => document.querySelector('.of-files .bar strong')?.textContent === decodeURIComponent(it), path);
      assert.match(await page.textContent('.of-files article'), wanted, path);
      assert.equal((await page.$$('article canvas')).length, 0, path);
    }
    await at(page, '#file:pictures/broken.png');
    await page.waitForFunction(() => /cannot be decoded/.test(document.querySelector('.of-files article').textContent));
    assert.deepEqual(await traces(page), CLEAN);
    assert.deepEqual(seen.complaints, []);
    assert.deepEqual(strangers(seen, url), []);
  }));
});

test('what was renamed stands together, and files fold', async () => {
  const file = await made();
  await viewing(file, (url) => opened(`${url}#changes`, async (page) => {
    await page.waitForSelector('.diffs details');
    assert.deepEqual(await page.$$eval('.diffs summary strong', (list) => list.map((it) => it.textContent)), ['moved.py \u2192 src/elsewhere.py']);
    assert.match(await page.textContent('.diffs'), /renamed from moved\.py/);
    assert.deepEqual(await page.$$eval('.changed-files aside summary', (list) => list.map((it) => it.textContent)), ['src']);
    await page.click('button:has-text("Fold all")');
    assert.equal((await page.$$('.diffs details[open]')).length, 0);
    await page.keyboard.press('j');
    assert.equal((await page.$$('.diffs details[open]')).length, 1);
  }));
});

test('of very many files in one directory a part is listed, and each is found', async () => {
  const repo = init(root, 'crowded');
  for (let i = 0; i < 2_100; i++) write(repo, `many/${String(i).padStart(4, '0')}.txt`, `number ${i}\n`);
  commit(repo, 'many');
  const file = await snapshot(root, repo, 'crowded.jelly');
  await viewing(file, (url) => opened(`${url}#file:many/2099.txt`, async (page, seen) => {
    await page.waitForFunction(() => document.querySelector('.code code')?.textContent === 'number 2099\n');
    assert.equal(await page.textContent('#tab-files .count'), '2,100');
    assert.match(await page.textContent('.of-files aside'), /and 100 more: filter by name/);
    assert.equal((await page.$$('.of-files aside .tree button')).length, 2_000);
    await page.fill('.by-name', '2098');
    assert.deepEqual(await page.$$eval('.of-files aside .tree button', (list) => list.map((it) => it.textContent)), ['many/2098.txt']);
    await page.fill('.by-content', 'number 20');
    await page.waitForFunction(() => document.querySelector('.of-files [role=status]')?.textContent === '111 lines in 111 files');
    assert.deepEqual(seen.complaints, []);
  }));
});
