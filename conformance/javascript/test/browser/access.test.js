// What axe-core finds: nothing serious, in light and in dark.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { dirty, join, reference, snapshot } from '../fixtures.js';
import { PAGE, at, badge, opened, root, viewing } from './browser.js';

const AXE = await readFile(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
const TABS = ['overview', 'files', 'file:notes.md', 'file:book.ipynb', 'file:big:L3-L5', 'changes', 'environment', 'left-out', 'verify'];

/** Serious and critical faults of what is shown, as text. The page's policy lets no script in, a debugger it does. */
async function faults(page, where) {
  const found = await page.evaluate(`(() => { ${AXE}; return axe.run(document, { resultTypes: ['violations'] }); })()`);
  return found.violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .flatMap(({ id, nodes }) => nodes.slice(0, 3).map((node) => `${where}: ${id} ${node.target} ${node.failureSummary.replace(/\s+/g, ' ').slice(0, 200)}`));
}

async function inBoth(page, where) {
  const out = [];
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    out.push(...await faults(page, `${where}, ${colorScheme}`));
  }
  return out;
}

test('nothing serious in any part of the page', async () => {
  const repo = dirty(root, 'access');
  writeFileSync(join(repo, 'notes.md'), '# Notes\n\n[link](https://example.org) `code`\n\n> quoted\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- [x] done\n');
  writeFileSync(join(repo, 'book.ipynb'), JSON.stringify({ cells: [{ cell_type: 'code', execution_count: 1, source: 'def f(x):  # text\n    return "s" + str(1)', outputs: [{ output_type: 'error', traceback: ['an error'] }] }] }));
  const container = await snapshot(root, repo, 'access.jelly', '--exclude', '.env');
  mkdirSync(join(root, 'runs'));
  for (const [name, loss] of [['a', 0.5], ['b', 0.25]]) {
    writeFileSync(join(root, 'runs', `${name}.bin`), name);
    await reference('embed', join(root, 'runs', `${name}.bin`), '--from', container, '-q', '--label', `loss=${loss}`, '--note', 'what it is');
  }
  writeFileSync(join(root, 'runs', 'c.jelly'), (await readFile(container)).subarray(0, 90));
  const found = [];
  await viewing(join(root, 'runs'), (url) => opened(url, async (page) => {
    await page.waitForSelector('body[data-ready]');
    await page.click('.checkpoints input');
    await page.click('.columns-choice summary');
    found.push(...await inBoth(page, 'table'));
    await page.click('.checkpoints tr:nth-child(2) input');
    for (const tab of ['code', 'environment', 'labels']) {
      await at(page, `#compare:0,1/${tab}`);
      await page.waitForSelector(`.of-${tab}:not([hidden])`);
      found.push(...await inBoth(page, `comparison, ${tab}`));
    }
    await at(page, '#at:2/overview');
    await page.waitForSelector('.fault');
    found.push(...await inBoth(page, 'fault'));
    await at(page, '#at:0/overview');
    await badge(page);
    for (const tab of TABS) {
      await at(page, `#at:0/${tab}`);
      await page.waitForSelector(`.of-${tab.startsWith('file') ? 'files' : tab}:not([hidden])`);
      found.push(...await inBoth(page, tab));
    }
    await at(page, '#at:0/changes');
    await page.keyboard.press('s');
    found.push(...await inBoth(page, 'changes side by side'));
    await page.keyboard.press('?');
    found.push(...await inBoth(page, 'keys'));
  }));
  await opened(pathToFileURL(PAGE).href, async (page) => found.push(...await inBoth(page, 'welcome')));
  assert.deepEqual(found, []);
});
