// The page in a real Chromium: of a server that the reference runs, and as a file of its own.
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { concat } from '../../src/bytes.js';
import { hostile, MARKUP } from '../hostile.js';
import { checkpoints, dirty, git, join, nested, readFileSync, reference, referenceJson, snapshot, sparse, trailerOf, write } from '../fixtures.js';
import { CLEAN, PAGE, at, badge, opened, root, strangers, traces, viewing } from './browser.js';

const TABS = ['overview', 'files', 'changes', 'environment', 'left-out', 'verify'];

async function everything(page) {
  for (const tab of TABS) {
    await page.click(`#tab-${tab}`);
    if (tab === 'changes') await page.evaluate(() => document.querySelectorAll('.diffs details').forEach((it) => { it.open = true; }));
    if (tab === 'files') {
      for (const button of await page.$$('.of-files .tree button')) await button.evaluate((it) => it.click());
    }
  }
  return page.evaluate(() => document.body.textContent);
}

test('names and contents that want to be script are text', async () => {
  const file = join(root, 'hostile.jelly');
  writeFileSync(file, await hostile());
  await viewing(file, (url) => opened(url, async (page, seen) => {
    assert.equal(await badge(page), '\u2713 verified');
    const text = await everything(page);
    assert.ok(text.includes('2 signatures, not checked here: one that cannot be read, one of a kind that is not known here (<svg onload=window.hit=1>\\u202e). jelly verify --signers checks whose they are'));
    assert.ok(text.split(MARKUP).length > 10);
    assert.deepEqual(await traces(page), CLEAN);
    assert.equal(await page.evaluate(() => document.querySelectorAll('svg, [style]').length), 0);
    assert.deepEqual(seen.complaints, []);
    assert.deepEqual(strangers(seen, url), []);
    assert.ok(!/[\u202a-\u202e]/.test(text));
  }));
});

test('the policy holds where markup or script got in all the same', async () => {
  const file = join(root, 'policy.jelly');
  writeFileSync(file, await hostile());
  await viewing(file, (url) => opened(url, async (page) => {
    await badge(page);
    const refused = await page.evaluate(async () => {
      // What a debugger calls may eval; what runs later may not.
      await new Promise((done) => { setTimeout(done, 50); });
      const tried = async (work) => {
        try {
          await work();
          return 'done';
        } catch (error) {
          return error.name;
        }
      };
      const script = document.createElement('script');
      script.append('window.hit = 1');
      const elsewhere = new URL('/', location.href).href.replace('127.0.0.1', 'localhost');
      return [
        await tried(() => { document.body.innerHTML = '<b>x</b>'; }), await tried(() => eval('1')), await tried(() => new Function('1')()),
        await tried(() => setTimeout('window.hit = 1')), await tried(() => document.body.append(script)), await tried(() => fetch(elsewhere)), window.hit ?? null,
      ];
    });
    assert.deepEqual(refused, ['TypeError', 'EvalError', 'EvalError', 'TypeError', 'done', 'TypeError', null]);
    const handler = await page.evaluate(async () => {
      const image = document.createElement('img');
      try {
        image.setAttribute('onerror', 'window.hit = 1');
      } catch (error) {
        return error.name;
      }
      image.src = 'x';
      document.body.append(image);
      await new Promise((done) => { setTimeout(done, 200); });
      return window.hit ?? null;
    });
    assert.equal(handler, 'TypeError');
  }));
});

test('a repository in all states, in a checkpoint: served, and dropped on the page alone', async () => {
  const container = await snapshot(root, dirty(root), 'dirty.jelly', '--exclude', '.env');
  checkpoints(root, container);
  const model = join(root, 'with.pt');
  await reference('embed', join(root, 'm.pt'), '--from', container, '-o', model, '-q');
  const look = async (page, seen) => {
    assert.equal(await badge(page), '\u2713 verified');
    const text = await everything(page);
    for (const part of ['first', 'with a body', 'latin-\\xfc', 'back\\slash', 'deep', 'no regular file', '+and one more', 'Kept in git']) assert.ok(text.includes(part), part);
    await page.click('#tab-files');
    await page.fill('.by-name', 'ÜML'.toLowerCase());
    await page.click('.of-files .tree button');
    await page.waitForSelector('.code code');
    assert.equal(await page.textContent('.code code'), 'utf-8\n');
    await page.click('#tab-changes');
    await page.click('.choice button[value=staged]');
    assert.deepEqual(await page.$$eval('.diffs summary strong', (list) => list.map((it) => it.textContent)), ['added', 'both', 'renamed \u2192 new name', 'removed', 'staged', 'type2']);
    assert.deepEqual(await page.$$eval('.diffs details:nth-child(2) .diff tr:not(.hunk) td:last-child', (list) => list.map((it) => it.textContent)), ['-both', '+changed']);
    assert.deepEqual(seen.complaints, []);
  };
  await viewing(model, (url) => opened(url, look));
  await opened(pathToFileURL(PAGE).href, async (page, seen) => {
    await page.setInputFiles('#file', model);
    await look(page, seen);
    assert.deepEqual(seen.requests.filter((url) => !url.startsWith('data:application/wasm')), [pathToFileURL(PAGE).href]);
  });
});

test('a damaged file, and one without a snapshot, say so', async () => {
  const bytes = await hostile();
  bytes[bytes.length - 5] ^= 1;
  const cases = [
    ['damaged.jelly', bytes, /corrupt\.block.*Bytes were changed.*jelly fix damaged\.jelly/s], ['cut.jelly', bytes.subarray(0, -1), /truncated.*The end of the file is missing/s],
    ['none.bin', bytes.subarray(100), /absent\.snapshot.*carries no snapshot/s],
  ];
  await opened(pathToFileURL(PAGE).href, async (page, seen) => {
    for (const [name, content, wanted] of cases) {
      await page.reload();
      await page.setInputFiles('#file', { name, mimeType: '', buffer: Buffer.from(content) });
      await page.waitForSelector('.fault');
      assert.match(await page.textContent('.fault'), wanted);
    }
    assert.deepEqual(seen.complaints, []);
  });
});

test('of files that are damaged the manifest is shown', async () => {
  const bytes = readFileSync(await snapshot(root, dirty(root, 'broken'), 'broken.jelly', '--exclude', '.env'));
  bytes[bytes.length - 5] ^= 1;
  const file = join(root, 'broken.jelly');
  writeFileSync(file, bytes);
  await viewing(file, (url) => opened(url, async (page) => {
    assert.equal(await badge(page), '\u2717 damaged');
    assert.match(await page.textContent('.of-overview'), /corrupt\.block.*first.*both/s);
    await at(page, '#files');
    assert.match(await page.textContent('.of-files'), /cannot be read/);
    await at(page, '#changes');
    assert.match(await page.textContent('.of-changes'), /cannot be read/);
    await at(page, '#left-out');
    assert.match(await page.textContent('.of-left-out'), /no regular file/);
    await at(page, '#verify');
    assert.match(await page.textContent('.of-verify'), /jelly verify found a fault.*corrupt\.block.*JF-BLK-005/s);
  }));
});

test('counts, where it lies, and the checks are those of the commands', async () => {
  const repo = nested(root, 'counts');
  write(repo, 'a.py', 'staged\n');
  git(repo, 'add', 'a.py');
  write(repo, 'a.py', 'and changed again\n');
  const container = await snapshot(root, repo, 'counts.jelly');
  checkpoints(root, container);
  const model = join(root, 'bound.pt');
  await reference('embed', join(root, 'm.pt'), '--from', container, '-o', model, '-q', '--bind', '--label', 'loss=0.5');
  const shown = await referenceJson('show', '--json', model);
  const verified = await referenceJson('verify', '--json', model);
  assert.ok(verified.checks.some(({ name }) => name === 'binding'));
  await viewing(model, (url) => opened(url, async (page, seen) => {
    await badge(page);
    assert.equal(await page.textContent('#tab-files .count'), String(shown.files));
    assert.equal(await page.textContent('#tab-changes .count'), String(['staged', 'unstaged', 'untracked', 'conflicted'].reduce((sum, key) => sum + shown[key].length, 0)));
    const overview = await page.textContent('.of-overview');
    assert.match(overview, /Where\s*in a torch file: an entry of the archive/);
    assert.match(overview, /loss\s*0\.5/);
    await at(page, '#verify');
    await page.waitForSelector('.of-verify .card:nth-child(1) h2');
    const names = await page.$$eval('.of-verify > div:first-child .checks td:nth-child(2)', (list) => list.map((it) => it.textContent));
    assert.deepEqual(names, verified.checks.map(({ name }) => name));
    assert.match(await page.textContent('.of-verify > div:first-child h2'), new RegExp(`${verified.checks.length} checks of jelly verify`));
    assert.match(await page.textContent('.of-verify > div:nth-child(2)'), /binding.*not compared here/s);
    assert.deepEqual(seen.complaints, []);
  }));
  await opened(pathToFileURL(PAGE).href, async (page) => {
    await page.setInputFiles('#file', model);
    await badge(page);
    assert.match(await page.textContent('.of-overview'), /Where\s*in a zip: an entry of the archive/);
    await at(page, '#verify');
    assert.match(await page.textContent('.of-verify'), /jelly verify bound\.pt/);
  });
});

test('the package as it is, without a build', async () => {
  const container = await snapshot(root, dirty(root, 'plain'), 'plain.jelly', '--exclude', '.env');
  const packageRoot = fileURLToPath(new URL('../../', import.meta.url));
  const imports = { '@noble/hashes/': '/node_modules/@noble/hashes/', 'xxhash-wasm': '/node_modules/xxhash-wasm/esm/xxhash-wasm.js', zstddec: '/node_modules/zstddec/dist/zstddec.mjs', jellyformat: '/src/index.js' };
  const server = createServer((request, response) => {
    const found = request.url === '/' ? `<!doctype html><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports })}</script>`
      : request.url === '/plain.jelly' ? readFileSync(container) : readFileSync(join(packageRoot, request.url));
    response.setHeader('Content-Type', request.url === '/' ? 'text/html' : 'text/javascript');
    response.end(found);
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  try {
    await opened(`http://127.0.0.1:${server.address().port}/`, async (page, seen) => {
      const got = await page.evaluate(async () => {
        const { open } = await import('jellyformat');
        const found = await open(await (await fetch('/plain.jelly')).blob());
        const checks = await found.verify();
        return [found.digest, checks.length, new TextDecoder().decode(await found.cat(new TextEncoder().encode('deep/er/file')))];
      });
      const { digest } = JSON.parse(await reference('show', '--json', container));
      assert.deepEqual(got, [digest, 9, 'deep/er/file\n']);
      assert.deepEqual(seen.complaints, []);
    });
  } finally {
    server.close();
  }
});

test('of a checkpoint of 10 GiB a few ranges are read', async () => {
  const bytes = readFileSync(await snapshot(root, dirty(root, 'again'), 'again.jelly', '--exclude', '.env'));
  const host = 10 * 1024 ** 3;
  const file = await sparse(root, 'big.bin', [[0, Uint8Array.of(1)], [host, concat(bytes, trailerOf(bytes, host))]]);
  await viewing(file, (url) => opened(url, async (page, seen) => {
    assert.equal(await badge(page), '\u2713 verified');
    assert.ok(seen.ranges <= 12, `${seen.ranges} ranges`);
    assert.ok(seen.bytes < 3 * bytes.length + 65_536, `${seen.bytes} bytes`);
  }));
  rmSync(file);
});
