// A directory of checkpoints: the table, the plot, two compared; by keyboard alone.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { MARKUP, hostile } from '../hostile.js';
import { commit, git, init, join, nested, reference, referenceJson, snapshot, write } from '../fixtures.js';
import { CLEAN, PAGE, at, opened, root, strangers, traces, viewing } from './browser.js';

/** Three codes, four checkpoints; in the last a file under another name, one that was left out, and other packages. */
async function runs(name) {
  const repo = init(root, name);
  write(repo, 'train.py', 'from model import hidden\nlr = 0.02\nfor step in range(100):\n    pass\n');
  write(repo, 'model.py', 'hidden = 8\n');
  write(repo, 'old name.py', 'one\ntwo\nthree\nfour\nfive\n');
  write(repo, '.gitignore', 'runs/\n');
  commit(repo, 'first');
  mkdirSync(join(repo, 'runs'));
  const embed = async (file, ...labels) => {
    writeFileSync(join(repo, 'runs', file), `weights of ${file}`);
    await reference('embed', join(repo, 'runs', file), '--repo', repo, '-q', ...labels.flatMap((it) => ['--label', it]));
  };
  await embed('a.bin', 'loss=0.5', 'epoch=1', 'same=yes', 'file=not its name');
  await embed('b.bin', 'loss=0.25', 'epoch=2', 'same=yes');
  write(repo, 'train.py', readFileSync(join(repo, 'train.py'), 'utf8').replace('0.02', '0.007'));
  await embed('c.bin', 'loss=0.125', 'epoch=10', 'same=yes');
  git(repo, 'mv', 'old name.py', 'new name.py');
  write(repo, 'new name.py', 'one\ntwo\nthree\nfour\nsix\n');
  await embed('d.bin', 'loss=1e-2', 'epoch=20', 'same=yes', `strange=${MARKUP}`, 'bidi=\u202egnorts');
  writeFileSync(join(repo, 'runs', 'none.bin'), 'nothing');
  return repo;
}

const files = (page) => page.$$eval('.checkpoints tbody a', (list) => list.map((it) => it.textContent));
const press = async (page, ...keys) => {
  for (const key of keys) await page.keyboard.press(key);
};

test('the table: sorted, filtered, plotted', async () => {
  const repo = await runs('table');
  await viewing('runs', (url) => opened(url, async (page, seen) => {
    await page.waitForSelector('body[data-ready]');
    assert.deepEqual(await files(page), ['runs/a.bin', 'runs/b.bin', 'runs/c.bin', 'runs/d.bin']);
    assert.equal(await page.textContent('.top [role=status]'), '4 checkpoints');
    const text = await page.textContent('main');
    assert.match(text, /lr = 0\.02 \u2192 0\.007|lr: 0\.02 \u2192 0\.007/);
    assert.match(text, /The same in all: same=yes/);
    assert.match(text, /1 file without a snapshot/);
    assert.ok(!/signed/i.test(text));
    assert.ok(text.includes(MARKUP) || text.includes(MARKUP.slice(0, 60)));
    assert.ok(!/[\u202a-\u202e]/.test(text));
    await page.click('.checkpoints thead button[title="Sort by epoch"]');
    assert.deepEqual(await files(page), ['runs/a.bin', 'runs/b.bin', 'runs/c.bin', 'runs/d.bin']);
    await page.click('.checkpoints thead button[title="Sort by loss"]');
    assert.deepEqual(await files(page), ['runs/d.bin', 'runs/c.bin', 'runs/b.bin', 'runs/a.bin']);
    assert.equal(await page.getAttribute('th[aria-sort]', 'aria-sort'), 'ascending');
    await press(page, 'Enter'); // the button has the focus still
    assert.deepEqual(await files(page), ['runs/a.bin', 'runs/b.bin', 'runs/c.bin', 'runs/d.bin']);
    for (const [wanted, found] of [['loss<0.3 epoch>=10', 'cd'], ['loss=0.01', 'd'], ['b.bin', 'b'], ['branch=main epoch!=2', 'acd'], ['strange~window', 'd'], ['nothing=1', ''], ['lr', 'c'], ['"loss<"', '']]) {
      await page.fill('.list input[type=search]', wanted);
      assert.deepEqual(await files(page), [...found].map((it) => `runs/${it}.bin`), wanted);
    }
    await page.fill('.list input[type=search]', '');
    // a and b have one colour, c another, d a third; each point is where it has to be
    const points = await page.$$eval('.drawing circle', (list) => list.map((it) => ({ code: it.getAttribute('class'), y: Number(it.getAttribute('cy')), title: it.textContent })));
    assert.deepEqual(points.map(({ code }) => code), ['c0', 'c0', 'c1', 'c2']);
    assert.deepEqual(points.map(({ title }) => title.split(':')[0]), ['runs/a.bin', 'runs/b.bin', 'runs/c.bin', 'runs/d.bin']);
    assert.deepEqual([...points].sort((a, b) => a.y - b.y), points);
    const swatches = await page.$$eval('.checkpoints .swatch', (list) => list.map((it) => it.className));
    assert.deepEqual(swatches, ['c0', 'c0', 'c1', 'c2'].map((it) => `swatch ${it}`));
    await page.selectOption('.plot select:nth-child(2)', 'label:epoch');
    assert.equal((await page.$$('.drawing circle')).length, 4);
    await page.click('.drawing circle:last-of-type');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'runs/d.bin');
    assert.deepEqual(await traces(page), CLEAN);
    assert.deepEqual(seen.complaints, []);
    assert.deepEqual(strangers(seen, url), []);
  }), repo);
});

test('two checkpoints are compared by keyboard alone', async () => {
  const repo = await runs('keys');
  await viewing('runs', (url) => opened(url, async (page, seen) => {
    await page.waitForSelector('body[data-ready]');
    const focused = () => page.evaluate(() => document.activeElement.textContent);
    // filters are typed, rows found and chosen, then the last of all, for which the first is given up
    await press(page, '/');
    await page.keyboard.type('c.bin');
    await press(page, 'Enter', 'x', '/', 'Control+a');
    await page.keyboard.type('b.bin');
    await press(page, 'Enter');
    assert.equal(await focused(), 'runs/b.bin');
    await press(page, 'x', '/', 'Control+a', 'Delete', 'Enter');
    assert.equal(await focused(), 'runs/a.bin');
    await press(page, 'j', 'k', 'k', 'j', 'j', 'j', 'j', 'j');
    assert.equal(await focused(), 'runs/d.bin');
    await press(page, 'x');
    assert.deepEqual(await page.$$eval('.checkpoints tr.chosen a', (list) => list.map((it) => it.textContent)), ['runs/b.bin', 'runs/d.bin']);
    await press(page, 'c');
    await page.waitForSelector('.of-code .diffs');
    assert.deepEqual(await page.$$eval('.diffs summary strong', (list) => list.map((it) => it.textContent)), ['old name.py \u2192 new name.py', 'train.py']);
    const command = await referenceJson('diff', '--json', join(repo, 'runs/b.bin'), join(repo, 'runs/d.bin'));
    assert.deepEqual(command.map(({ change, path }) => change + path), ['Anew name.py', 'Dold name.py', 'Mtrain.py']);
    // the words that changed, side by side
    assert.equal(await page.getAttribute('.choice button', 'aria-pressed'), 'true');
    assert.deepEqual(await page.$$eval('.diffs details:nth-child(2) del, .diffs details:nth-child(2) ins', (list) => list.map((it) => [it.tagName, it.textContent])), [['DEL', '0.02'], ['INS', '0.007']]);
    await press(page, 'j', 'j');
    assert.match(await focused(), /train\.py/);
    await press(page, 's');
    assert.deepEqual(await page.$$eval('.diffs details:nth-child(2) tr.removed td:last-child, .diffs details:nth-child(2) tr.added td:last-child', (list) => list.map((it) => it.textContent)), ['-lr = 0.02', '+lr = 0.007']);
    await press(page, '2');
    await page.waitForSelector('.of-environment table');
    assert.match(await page.textContent('.of-environment'), /Packages: all \d+ are the same/);
    await press(page, '3');
    await page.waitForSelector('.of-labels table');
    assert.deepEqual(await page.$$eval('.of-labels .sides.labels tr', (list) => list.filter((it) => /^(?:loss|epoch|same)/.test(it.textContent)).map((it) => [it.className, ...[...it.querySelectorAll('td')].map((cell) => cell.textContent)])),
      [['differs', '2', '20'], ['differs', '0.25', '1e-2'], ['same', 'yes', 'yes']]);
    await press(page, '?');
    assert.match(await page.textContent('dialog'), /the other way round.*back to the table/s);
    await press(page, 'Escape', 'u');
    await page.waitForSelector('.checkpoints');
    assert.deepEqual(await page.$$eval('.checkpoints tr.chosen a', (list) => list.map((it) => it.textContent)), ['runs/b.bin', 'runs/d.bin']);
    await press(page, 'Enter');
    await page.waitForSelector('.of-overview');
    assert.equal(await page.textContent('h1'), 'runs/d.bin');
    assert.deepEqual(await traces(page), CLEAN);
    assert.deepEqual(seen.complaints, []);
  }), repo);
});

test('who says to have signed, and the table after it was loaded again', async () => {
  const repo = await runs('again');
  const key = join(root, 'again-key');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', key]);
  const [, fingerprint] = execFileSync('ssh-keygen', ['-lf', key], { encoding: 'utf8' }).split(' ');
  await reference('sign', join(repo, 'runs/c.bin'), '--key', key, '-q');
  await viewing('runs', (url) => opened(url, async (page, seen) => {
    await page.waitForSelector('body[data-ready]');
    const column = async () => page.$$eval('.checkpoints tbody tr', (list, at) => list.map((it) => it.children[at].textContent), 1 + (await page.$$eval('.checkpoints thead button', (list) => list.map((it) => it.textContent))).indexOf('signed'));
    assert.deepEqual(await column(), ['', '', fingerprint, '']);
    assert.match(await page.textContent('main'), /not checked here\. jelly verify --signers SIGNERS FILE/);
    await page.fill('.list input[type=search]', `signed=${fingerprint}`);
    assert.deepEqual(await files(page), ['runs/c.bin']);
    await page.click('.checkpoints tbody a');
    await page.waitForSelector('.of-overview');
    const text = await page.textContent('.of-overview');
    assert.ok(text.includes(`1 signature, not checked here: ssh-ed25519 ${fingerprint}`));
    assert.ok(text.includes('jelly verify --signers SIGNERS runs/c.bin'));
    const address = page.url();
    // another one in front of it, and one that is another checkpoint by now
    writeFileSync(join(repo, 'runs', '0.bin'), 'weights');
    await reference('embed', join(repo, 'runs/0.bin'), '--from', join(repo, 'runs/a.bin'), '-q');
    await reference('label', join(repo, 'runs/b.bin'), 'loss=7', '-q');
    await page.reload();
    await page.waitForSelector('.of-overview');
    assert.equal(await page.textContent('h1'), 'runs/c.bin');
    await press(page, 'u');
    await page.waitForSelector('.checkpoints');
    assert.deepEqual(await files(page), ['runs/0.bin', 'runs/a.bin', 'runs/b.bin', 'runs/c.bin', 'runs/d.bin']);
    await page.click('a:text("runs/b.bin")');
    await page.waitForSelector('.of-overview');
    assert.match(await page.textContent('.of-overview'), /loss\s*7/);
    await at(page, '#at:1/overview'); // as it was before
    await page.waitForSelector('.fault');
    assert.match(await page.textContent('.fault'), /another snapshot/);
    assert.equal(address.split('#')[1], 'at:2/overview');
    rmSync(join(repo, 'runs'), { recursive: true });
    mkdirSync(join(repo, 'runs'));
    await page.reload();
    await page.waitForSelector('.fault');
    assert.match(await page.textContent('.fault'), /no file there has a snapshot/);
    assert.deepEqual(seen.complaints.filter((it) => !it.includes('410')), []);
  }), repo);
});

test('a checkpoint that is gone or damaged, and hostile ones compared', async () => {
  const directory = join(root, 'odd');
  mkdirSync(directory);
  const bytes = await hostile();
  writeFileSync(join(directory, `<img src=x onerror=window.hit=1>\u202e.jelly`), bytes);
  writeFileSync(join(directory, 'b.jelly'), readFileSync(join(root, 'odd', `<img src=x onerror=window.hit=1>\u202e.jelly`)));
  const cut = bytes.slice();
  cut[cut.length - 5] ^= 1;
  writeFileSync(join(directory, 'damaged.jelly'), cut);
  writeFileSync(join(directory, 'short.jelly'), bytes.subarray(0, 90));
  await viewing(directory, (url) => opened(url, async (page, seen) => {
    await page.waitForSelector('body[data-ready]');
    const names = await files(page);
    assert.equal(names.length, 4);
    assert.match(await page.textContent('.checkpoints'), /short\.jelly.*truncated/s);
    const number = (part) => names.findIndex((it) => it.includes(part));
    await at(page, `#compare:${number('onerror')},${number('b.jelly')}`);
    await page.waitForSelector('.of-code');
    assert.match(await page.textContent('.of-code'), /The same code/);
    for (const tab of ['environment', 'labels']) {
      await at(page, `#compare:${number('onerror')},${number('b.jelly')}/${tab}`);
      await page.waitForSelector(`.of-${tab} table`);
    }
    assert.ok(!/[\u202a-\u202e]/.test(await page.textContent('body')));
    await at(page, `#at:${number('short')}/overview`);
    await page.waitForSelector('.fault');
    assert.match(await page.textContent('.fault'), /truncated/);
    await page.keyboard.press('u');
    await page.waitForSelector('.checkpoints');
    await page.route('**/about', (route) => route.abort());
    await at(page, `#at:${number('damaged')}/overview`);
    await page.waitForSelector('.fault');
    assert.match(await page.textContent('.fault'), /does jelly view still run/);
    await page.unroute('**/about');
    await page.keyboard.press('Escape');
    await page.waitForSelector('.checkpoints');
    await at(page, `#at:${number('damaged')}/overview`);
    await page.waitForSelector('.badge.bad');
    assert.deepEqual(await traces(page), CLEAN);
    assert.deepEqual(seen.complaints.filter((it) => !it.includes('ERR_FAILED')), []);
    assert.deepEqual(strangers(seen, url), []);
  }));
});

test('nested repositories are compared by their files', async () => {
  const repo = nested(root, 'inner');
  await snapshot(root, repo, 'inner-1.jelly');
  write(repo, 'deep/sub/a.py', 'other\n');
  write(join(repo, 'clean'), 'b.py', 'new\n');
  commit(join(repo, 'clean'), 'moved on');
  await snapshot(root, repo, 'inner-2.jelly');
  const both = ['inner-1.jelly', 'inner-2.jelly'];
  const command = await referenceJson('diff', '--json', ...both.map((name) => join(root, name)));
  await viewing(both, (url) => opened(`${url}#compare:0,1`, async (page) => {
    await page.waitForSelector('.of-code .diffs');
    assert.deepEqual(await page.$$eval('.diffs summary strong', (list) => list.map((it) => it.textContent)), command.map(({ path }) => path));
    assert.deepEqual(command.map(({ path }) => path), ['clean/b.py', 'deep/sub/a.py']);
  }));
});

test('twenty thousand checkpoints, and labels that nobody can draw', async () => {
  const rows = Array.from({ length: 20_000 }, (_, i) => ({
    file: `runs/${i % 50}/step-${i}.pt`, host: 'torch', snapshot_id: String(i % 300).padStart(64, '0'), digest: String(i).padStart(64, '0'), time: 1_800_000_000 + 60 * i, ref: 'refs/heads/main',
    commit: '1'.repeat(40), subject: 's', dirty: false, uncommitted: 0, labels: { loss: String(1 / (i + 1)), step: String(i), odd: ['NaN', '1e999', '-1e308', '', '0x10', '1_000'][i % 6], [`only ${i}`]: 'x' },
    more_labels: 0, note: null, run: i % 2 ? { id: String(i % 50).padStart(32, '0'), sequence: i } : null, edited: 0, since: null, edits: [], more_edits: 0, damaged: null,
  }));
  let shown = rows;
  const server = createServer((request, response) => {
    const isPage = request.url === '/';
    response.setHeader('Content-Type', isPage ? 'text/html' : 'application/json');
    response.end(isPage ? readFileSync(PAGE) : JSON.stringify({ one: false, name: 'many', rows: shown, numbers: shown.map((_, i) => i), left_out: 7, without: 0 }));
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  try {
    await opened(`http://127.0.0.1:${server.address().port}/`, async (page, seen) => {
      await page.waitForSelector('body[data-ready]');
      assert.equal((await files(page)).length, 200);
      const text = await page.textContent('main');
      for (const part of ['7 checkpoints more than this page can show', 'one of every 5', 'labels more than there are boxes for']) assert.ok(text.includes(part), part);
      assert.equal((await page.$$('.drawing circle')).length, 4_000);
      await page.click('button:has-text("Show 200 more")');
      assert.equal((await files(page)).length, 400);
      await page.click('.checkpoints thead button[title="Sort by loss"]');
      assert.equal((await files(page))[0], 'runs/49/step-19999.pt');
      await page.fill('.list input[type=search]', 'step>=19990 step<19993');
      assert.equal((await files(page)).length, 3);
      await page.fill('.list input[type=search]', '');
      await page.selectOption('.plot select', 'odd');
      assert.match(await page.textContent('.plot'), /that cannot be drawn/);
      assert.ok(!/NaN|Infinity/.test(await page.innerHTML('.drawing')));
      await page.click('.plot input[type=checkbox]');
      assert.match(await page.textContent('.drawing'), /Nothing to draw/);
      // two runs of ten, each of one snapshot: in order; over time, what stands below is told apart
      assert.equal(await page.inputValue('.plot select:nth-child(2)'), 'time');
      shown = rows.slice(0, 20).map((row, i) => ({ ...row, time: 1_800_000_000 + (i < 10 ? 0 : 25) }));
      await page.reload();
      await page.waitForSelector('.drawing circle');
      assert.equal(await page.inputValue('.plot select:nth-child(2)'), 'order');
      assert.equal(new Set(await page.$$eval('.drawing circle', (list) => list.map((it) => it.getAttribute('cx')))).size, 20);
      await page.selectOption('.plot select:nth-child(2)', 'time');
      const times = await page.$$eval('.drawing text', (list) => list.map((it) => it.textContent).filter((it) => it.includes(':')));
      assert.ok(times.length > 1);
      assert.equal(new Set(times).size, times.length);
      assert.deepEqual(seen.complaints.filter((it) => !it.includes('favicon')), []);
    });
  } finally {
    server.close();
  }
});
