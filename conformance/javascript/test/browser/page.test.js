// The page in a real Chromium: of a server that the reference runs, and as a file of its own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { pathToFileURL, fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { concat } from '../../src/bytes.js';
import { hostile, MARKUP } from '../hostile.js';
import { PYTHON, checkpoints, dirty, join, readFileSync, reference, snapshot, sparse, temporary, trailerOf } from '../fixtures.js';

const PAGE = fileURLToPath(new URL('../../../../jellyformat/view.html', import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const TABS = ['overview', 'files', 'changes', 'environment', 'left-out', 'verify'];

const root = temporary();
let browser;
const profile = mkdtempSync(join(root, 'profile-'));

before(async () => {
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
});
after(() => browser.close());

/** `jellyformat view` of a file, while `work` runs. */
async function viewing(file, work) {
  const child = spawn(PYTHON, ['-m', 'jellyformat', 'view', file, '--no-browser', '--quiet'], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [url] = await new Promise((done, fail) => {
      createInterface({ input: child.stdout }).once('line', (line) => done([line]));
      child.once('exit', (code) => fail(new Error(`view ended with ${code}`)));
    });
    return await work(url);
  } finally {
    child.removeAllListeners('exit');
    child.kill('SIGINT');
    await new Promise((done) => { child.once('exit', done); });
  }
}

/** A tab of the browser; what it asked for and complained of is kept. */
async function opened(url, work) {
  const page = await browser.newPage();
  const seen = { requests: [], bytes: 0, ranges: 0, complaints: [] };
  page.on('request', (request) => seen.requests.push(request.url()));
  page.on('response', async (response) => {
    if (response.status() === 206) {
      seen.ranges += 1;
      seen.bytes += Number(response.headers()['content-length']);
    }
  });
  page.on('pageerror', (error) => seen.complaints.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && seen.complaints.push(message.text()));
  page.on('dialog', (dialog) => seen.complaints.push(dialog.message()));
  try {
    await page.goto(url);
    return await work(page, seen);
  } finally {
    await page.close();
  }
}

const badge = async (page) => {
  await page.waitForSelector('.badge.good, .badge.bad, .fault');
  return page.textContent('.badge, .fault');
};

async function everything(page) {
  for (const tab of TABS) {
    await page.click(`#tab-${tab}`);
    if (tab === 'changes') await page.evaluate(() => document.querySelectorAll('.diffs details').forEach((it) => { it.open = true; }));
    if (tab === 'files') await page.evaluate(() => document.querySelectorAll('.tree button').forEach((it) => it.click()));
  }
  return page.evaluate(() => document.body.textContent);
}

test('names and contents that want to be script are text', async () => {
  const file = join(root, 'hostile.jelly');
  writeFileSync(file, await hostile());
  await viewing(file, (url) => opened(url, async (page, seen) => {
    assert.equal(await badge(page), '\u2713 verified');
    const text = await everything(page);
    assert.ok(text.split(MARKUP).length > 10);
    assert.deepEqual(await page.evaluate(() => ({
      hit: window.hit, scripts: document.scripts.length, styles: document.querySelectorAll('style').length, styled: document.querySelectorAll('[style]').length,
      strange: document.querySelectorAll('img, svg, iframe, object, embed, form, base, link').length,
      links: [...document.querySelectorAll('a')].map((it) => it.getAttribute('href')), global: Object.hasOwn(Object.prototype, 'path'),
      handlers: [...document.querySelectorAll('*')].filter((it) => [...it.attributes].some(({ name }) => name.startsWith('on'))).length,
    })), { hit: undefined, scripts: 1, styles: 1, styled: 0, strange: 0, links: ['#verify'], global: false, handlers: 0 });
    assert.deepEqual(seen.complaints, []);
    for (const asked of seen.requests) assert.ok(asked.startsWith(url) || asked.startsWith('data:application/wasm'), asked);
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
    await page.fill('.files input', 'ÜML'.toLowerCase());
    await page.click('.tree button');
    assert.equal(await page.textContent('.code code'), 'utf-8\n');
    await page.click('#tab-changes');
    await page.click('.choice button[value=staged]');
    assert.deepEqual(await page.$$eval('.diffs summary strong', (list) => list.map((it) => it.textContent)), ['added', 'both', 'new name', 'removed', 'renamed', 'staged', 'type2']);
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
  const cases = [['damaged.jelly', bytes, /corrupt\.block/], ['cut.jelly', bytes.subarray(0, -1), /truncated/], ['none.bin', bytes.subarray(100), /absent\.snapshot/]];
  await opened(pathToFileURL(PAGE).href, async (page) => {
    for (const [name, content, wanted] of cases) {
      await page.setInputFiles('#file', { name, mimeType: '', buffer: Buffer.from(content) });
      await page.waitForSelector('.fault');
      assert.match(await page.textContent('.fault'), wanted);
    }
  });
});

test('the package as it is, without a build', async () => {
  const container = await snapshot(root, dirty(root, 'plain'), 'plain.jelly', '--exclude', '.env');
  const packageRoot = fileURLToPath(new URL('../../', import.meta.url));
  const imports = { '@noble/hashes/': '/node_modules/@noble/hashes/', zstddec: '/node_modules/zstddec/dist/zstddec.mjs', jellyformat: '/src/index.js' };
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
    assert.ok(seen.bytes < 3 * bytes.length + 10_000, `${seen.bytes} bytes`);
  }));
  rmSync(file);
});
