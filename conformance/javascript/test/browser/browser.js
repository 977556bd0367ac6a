// A real Chromium for tests, and `jelly view` in a process of its own.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { PYTHON, join, temporary } from '../fixtures.js';

export const PAGE = fileURLToPath(new URL('../../../../jellyformat/exports/view.html', import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

export const root = temporary();
let browser;

before(async () => {
  browser = await chromium.launchPersistentContext(mkdtempSync(join(root, 'profile-')), {
    executablePath: CHROMIUM,
    headless: true,
    permissions: ['clipboard-read', 'clipboard-write'],
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  browser.setDefaultTimeout(60_000);
});
after(() => browser.close());

/** `jelly view` of files or directories, while `work` runs. */
export async function viewing(paths, work, cwd = root) {
  const child = spawn(PYTHON, ['-m', 'jellyformat', 'view', '--no-browser', '--quiet', '--', ...[paths].flat()], { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const url = await new Promise((done, fail) => {
      createInterface({ input: child.stdout }).once('line', done);
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
export async function opened(url, work) {
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

/** All that was asked for came from the server of the page, or from the page itself. */
export const strangers = (seen, url) => seen.requests.filter((asked) => !asked.startsWith(url) && !/^(?:data:application\/wasm|blob:http:\/\/127\.0\.0\.1)/.test(asked));

/** What the badge says, once everything was checked. */
export async function badge(page) {
  await page.waitForSelector('body[data-ready] .badge.good, body[data-ready] .badge.bad, .fault');
  return page.textContent('[role=status] .badge, .fault');
}

/** The page, when it has shown what its address names. */
export async function at(page, hash) {
  await page.evaluate((wanted) => { location.hash = wanted; }, hash);
  await page.waitForSelector('body[data-ready]');
}

/** What hostile contents could have made of the page. */
export const traces = (page) => page.evaluate(() => ({
  hit: window.hit, scripts: document.scripts.length, styles: document.querySelectorAll('style').length,
  strange: document.querySelectorAll('img, iframe, object, embed, form, base, link, video, audio, math, foreignObject, image, use').length,
  links: [...document.querySelectorAll('a')].map((it) => it.getAttribute('href')).filter((href) => !/^(?:#|https?:\/\/|mailto:)/i.test(href)), global: Object.hasOwn(Object.prototype, 'path'),
  handlers: [...document.querySelectorAll('*')].filter((it) => [...it.attributes].some(({ name }) => name.startsWith('on'))).length,
}));

export const CLEAN = { hit: undefined, scripts: 1, styles: 1, strange: 0, links: [], global: false, handlers: 0 };
