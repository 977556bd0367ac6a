// What this package reads, against what the reference's command line says of the same files.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open } from '../src/node.js';
import { withPath } from '../src/node.js';
import { conflicted, dirty, git, jelly, join, nested, reference, referenceJson, request, small, snapshot, temporary, init, write } from './fixtures.js';

const root = temporary();
const text = (bytes) => Buffer.from(bytes.hex, 'hex').toString();
const list = (entries) => entries.map(text);

async function compare(file) {
  const verified = await referenceJson('verify', '--json', file);
  assert.equal(verified.ok, true, JSON.stringify(verified.error));
  const { exit, output: got } = await request('decode', '--in', file);
  assert.equal(exit, 0, JSON.stringify(got));
  const show = await referenceJson('show', '--json', file);
  const { manifest } = got;
  assert.equal(got.digest, show.digest);
  assert.equal(got.snapshot_id, show.snapshot_id);
  assert.equal(manifest.state.head.commit?.hex ?? null, show.head.commit);
  assert.equal(manifest.state.head.ref === null ? null : text(manifest.state.head.ref), show.head.ref);
  assert.equal(manifest.state.operation?.kind ?? null, show.operation?.kind ?? show.operation);
  assert.equal(manifest.summary.files, show.files);
  assert.equal(manifest.summary.size, show.size);
  assert.equal(manifest.history.commits, show.history);
  assert.equal(manifest.summary.staged.length, show.staged.length);
  assert.equal(manifest.summary.unstaged.length, show.unstaged.length);
  assert.equal(manifest.summary.untracked.length, show.untracked.length);
  assert.equal(manifest.summary.conflicted.length, show.conflicted.length);
  const files = await referenceJson('ls', '--json', file);
  const here = got.files.map(({ path, mode, oid, size }) => [Buffer.from(path.hex, 'hex').toString('latin1'), mode, oid.hex, size]);
  const there = (await reference('ls', '-z', file)).toString('latin1').split('\0').slice(0, -1);
  assert.deepEqual(here.map(([path]) => path), there);
  assert.deepEqual(here.map((entry) => entry.slice(1)), files.map(({ mode, oid, size }) => [mode, oid, size]));
  await withPath(file, async (container) => {
    for (const { path } of got.files) {
      const name = Buffer.from(path.hex, 'hex').toString();
      if (name.includes('\ufffd')) continue;
      assert.deepEqual(Buffer.from(await container.cat(new TextEncoder().encode(name))), await reference('cat', file, name), name);
    }
  });
  return got;
}

test('a repository of one commit', async () => {
  await compare(await snapshot(root, small(root), 'small.jelly'));
});

test('a long history', async () => {
  const repo = small(root, 'long', 'sha1', 40);
  assert.equal((await compare(await snapshot(root, repo, 'long.jelly', '--history', 'full'))).manifest.history.commits, 40);
  assert.equal((await compare(await snapshot(root, repo, 'shallow.jelly', '--history', '5'))).manifest.history.shallow.length, 1);
});

test('staged, unstaged, untracked, deleted, links, modes, names, flags, conversions, filters, omissions', async () => {
  const got = await compare(await snapshot(root, dirty(root), 'dirty.jelly', '--exclude', '.env'));
  const { state, summary, ignored } = got.manifest;
  assert.ok(list(ignored).includes('build/'));
  assert.deepEqual(summary.staged.map(([letter, path]) => `${letter} ${text(path)}`),
    ['A added', 'M both', 'A new name', 'D removed', 'D renamed', 'M staged', 'T type2']);
  assert.deepEqual(summary.unstaged.map(([letter, path]) => `${letter} ${text(path)}`),
    ['M big', 'M both', 'D gone', 'A intended', 'D intended and gone', 'M mode', 'T type', 'M unstaged']);
  assert.deepEqual(list(state.worktree.converted), ['win.crlf']);
  assert.deepEqual(list(state.worktree.filtered), ['text.up']);
  assert.deepEqual(list(state.index.skip_worktree), ['skipped']);
});

test('SHA-256 repositories', async () => {
  await compare(await snapshot(root, dirty(root, 'dirty256', 'sha256'), 'dirty256.jelly', '--exclude', '.env'));
});

for (const operation of ['merge', 'rebase', 'cherry-pick', 'revert']) {
  test(`conflicts of a ${operation}`, async () => {
    const got = await compare(await snapshot(root, conflicted(root, operation, operation), `${operation}.jelly`));
    assert.ok(got.manifest.summary.conflicted.length > 0);
    assert.equal(got.manifest.state.operation.kind, operation);
  });
}

test('submodules and nested repositories', async () => {
  const got = await compare(await snapshot(root, nested(root), 'nested.jelly'));
  assert.deepEqual(list(got.manifest.state.submodules.map(({ path }) => path)), ['clean', 'deep/sub', 'moved', 'own', 'unborn']);
});

test('a detached head, no commit, a bare repository', async () => {
  const repo = small(root, 'detached', 'sha1', 2);
  git(repo, 'checkout', '-q', '--detach', 'HEAD~1');
  await compare(await snapshot(root, repo, 'detached.jelly'));
  const unborn = init(root, 'unborn');
  write(unborn, 'file', 'x\n');
  await compare(await snapshot(root, unborn, 'unborn.jelly'));
  git(root, 'clone', '-q', '--bare', repo, join(root, 'bare.git'));
  await compare(await snapshot(root, join(root, 'bare.git'), 'bare.jelly'));
});

test('a fault has a class and an exit code, and no stack trace', async () => {
  for (const [args, code] of [[['decode', '--in', join(root, 'nowhere')], 1], [['verify', root], 1], [['nothing'], 2], [['extract', '--host', 'parquet', '--in', 'x', '--out', 'y'], 2], [[], 2]]) {
    const { code: got, out, err } = jelly(...args);
    assert.equal(got, code, args.join(' '));
    assert.ok(!/\n\s+at /.test(out.toString() + err));
  }
});
