// What is not right is noticed, and reported by class and requirement.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import xxhash from 'xxhash-wasm';
import { Container, JellyError, open } from '../src/node.js';
import { ascii, concat } from '../src/bytes.js';
import { decompress } from '../src/zstd.js';
import { Raw, bare, copy, frame, map, oid, pack, seal, sealRight, take, tree } from './writer.js';
import { readFileSync, conflicted, dirty, nested, small, snapshot, temporary, VECTORS } from './fixtures.js';

const root = temporary();
const smallest = new Uint8Array(readFileSync(`${VECTORS}smallest.jelly`));
const containers = {};
for (const [name, make, ...args] of [['small', small], ['dirty', dirty, '--exclude', '.env'], ['merge', conflicted], ['nested', nested], ['long', (at) => small(at, 'long', 'sha1', 8), '--history', 'full']]) {
  containers[name] = new Uint8Array(readFileSync(await snapshot(root, make(root), `${name}.jelly`, '--no-environment', ...args)));
}

async function check(bytes) {
  const container = await Container.open(bytes);
  await container.verify();
  return container;
}

/** The fault as "class requirement", or "ok". Anything but a JellyError is thrown on. */
async function outcome(bytes) {
  try {
    await check(bytes);
    return 'ok';
  } catch (error) {
    if (error instanceof JellyError) return `${error.class} ${error.requirement}`;
    throw error;
  }
}

for (const [name, bytes] of [['smallest', smallest], ['small', containers.small]]) {
  test(`every bit of the container ${name}`, async () => {
    for (let at = 0; at < bytes.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = bytes.slice();
        changed[at] ^= 1 << bit;
        assert.notEqual(await outcome(changed), 'ok', `bit ${bit} of byte ${at}`);
      }
    }
  });
  test(`every length of the container ${name}`, async () => {
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(await outcome(bytes.subarray(0, length)), length < 8 ? 'malformed.magic JF-HDR-001' : 'truncated JF-HDR-004');
    }
    assert.equal(await outcome(concat(bytes, Uint8Array.of(0))), 'malformed.header JF-HDR-010');
  });
}

let seed = 1;
const random = (below) => {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return (seed >>> 8) % below;
};

test('random bytes, alone and as each kind of host', async () => {
  const starts = [[], [0x89, 0x4a, 0x45, 0x4c, 0x4c, 0x59, 0x0d, 0x0a, 1], [0x50, 0x4b, 3, 4], [0x50, 0x4b, 5, 6], [16, 0, 0, 0, 0, 0, 0, 0, 0x7b]];
  for (let i = 0; i < 1000; i++) {
    const bytes = concat(Uint8Array.from(starts[i % starts.length]), Uint8Array.from({ length: random(300) }, () => random(256)));
    await assert.rejects(open(bytes), JellyError);
  }
});

test('random changes under right hashes are a fault or another sound container, never a crash', async () => {
  const flip = (raw) => {
    const out = raw.slice();
    for (let i = random(3); i >= 0; i--) out[random(out.length)] ^= 1 << random(8);
    return out;
  };
  for (const bytes of Object.values(containers)) {
    const model = await take(bytes);
    const whole = pack((await Container.open(seal(model))).manifest.value);
    for (let i = 0; i < 60; i++) {
      const blocks = model.blocks.map((block) => ({ ...block }));
      if (i % 2 === 0) await outcome(seal({ ...model, blocks }, { manifestRaw: flip(whole) }));
      else {
        const block = blocks[random(blocks.length)];
        block.raw = flip(concat(...block.records.map(pack)));
        await outcome(seal({ ...model, blocks }));
      }
    }
  }
});

// ---- one fault each ----

const zeros = (n) => new Uint8Array(n);
const state = (model) => model.manifest.get('state');
const index = (model) => state(model).get('index');
const worktree = (model) => state(model).get('worktree');
const extension = (value) => (model) => { model.manifest.get('extensions').set('com.example.x', value); };
const block = (changes) => (model) => { model.blocks[0].map = changes; };
const record = (...records) => (model) => { model.blocks[0].records.push(...records); };
const zstd = (make) => (model) => { model.blocks[0].frame = make(concat(...model.blocks[0].records.map(pack))); };
const base = ascii('the base of a diff');
const diff = (...ops) => record([3, base], [3, oid(3, base), ops]);
const chain = (length) => {
  const out = [[3, base]];
  for (let i = 0, before = oid(3, base); i < length; i++) {
    out.push([3, before, [ascii(`version ${i}`)]]);
    before = oid(3, ascii(`version ${i}`));
  }
  return record(...out);
};
const provenance = (key, value) => (model) => { model.manifest.get('provenance').set(key, value); };
const leftOut = (path, reason = 'size', sha = null) => map({ path: ascii(path), reason, sha256: sha, size: null });
const omitted = (...args) => (model) => { worktree(model).set('omitted', [leftOut(...args)]); };
const stagedOmitted = (...args) => (model) => { index(model).set('omitted', [leftOut(...args)]); };
const registered = (name, value) => (model) => { model.manifest.get('extensions').set(name, value); };
const signature = () => map({ format: 'x', signature: base });
const rootOf = (name, inner = unborn()) => (model) => { record([2, zeros(0)])(model); state(model).set('roots', [map({ name: ascii(name), state: inner })]); };
const prefixed = (number) => (model) => { model.blocks.at(-1).map = { prefix: number }; };
const someTree = (...entries) => record([2, concat(...entries.map((entry) => concat(ascii(entry), Uint8Array.of(0), zeros(20))))]);
const operation = (kind, heads, message = null) => (model) => { state(model).set('operation', map({ kind, heads, message })); };
const unborn = () => copy(state(bare([])));

const CASES = [
  // section 4
  ['small', 'unsupported.version JF-HDR-002', () => ({ version: 2 })],
  ['small', 'malformed.header JF-HDR-003', () => ({ reserved: Uint8Array.of(0, 0, 0, 0, 0, 0, 1) })],
  ['small', 'malformed.header JF-HDR-005', () => ({ totalLength: 100 })],
  ['small', 'malformed.header JF-HDR-005', () => ({ manifestLength: (1n << 64n) - 1n })],
  ['small', 'malformed.header JF-HDR-006', () => ({ manifestRawLength: 0 })],
  ['small', 'limit.size JF-HDR-007', () => ({ manifestRawLength: 1n << 40n })],
  ['small', 'truncated JF-HDR-004', () => ({ totalLength: (1n << 64n) - 1n })],
  ['small', 'corrupt.manifest JF-HDR-008', () => ({ digest: zeros(32) })],
  ['small', 'malformed.manifest JF-HDR-009', block({ length: 5 })],
  // section 5
  ['small', 'ok', zstd((raw) => frame(raw, { window: 13 << 3 }))],
  ['small', 'limit.window JF-ZST-003', zstd((raw) => frame(raw, { window: (13 << 3) | 1 }))],
  ['long', 'ok', (model) => { model.blocks.at(-1).zstd = { window: 17 << 3 }; }],
  ['long', 'limit.window JF-ZST-003', (model) => { model.blocks.at(-1).zstd = { window: (17 << 3) | 1 }; }],
  ['small', 'limit.window JF-ZST-003', () => ({ zstd: { window: (13 << 3) | 1 } })],
  ['small', 'malformed.compression JF-ZST-001', zstd(() => ascii('no frame at all'))],
  ['small', 'malformed.compression JF-ZST-001', zstd((raw) => frame(raw).subarray(0, 20))],
  ['small', 'malformed.compression JF-ZST-002', zstd((raw) => concat(frame(raw), Uint8Array.of(0)))],
  ['small', 'malformed.compression JF-ZST-002', zstd((raw) => concat(frame(raw.subarray(0, 9)), frame(raw.subarray(9))))],
  ['small', 'malformed.compression JF-ZST-002', zstd((raw) => concat(Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0), frame(raw)))],
  ['small', 'malformed.compression JF-ZST-002', zstd((raw) => concat(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 1, 0x60, 7), frame(raw).subarray(6)))],
  ['small', 'malformed.compression JF-ZST-004', block({ raw_length: 5 })],
  ['small', 'malformed.compression JF-ZST-004', block({ raw_length: 100_000 })],
  ['small', 'malformed.compression JF-ZST-005', zstd((raw) => concat(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xa0, 1, 0, 0, 0), frame(raw).subarray(6)))],
  // section 6
  ['small', 'malformed.msgpack JF-MSG-001', extension(new Raw(0xcb, 0, 0, 0, 0, 0, 0, 0, 0))],
  ['small', 'malformed.msgpack JF-MSG-001', extension(new Raw(0xd4, 1, 2))],
  ['small', 'malformed.msgpack JF-MSG-001', extension(new Raw(0xc1))],
  ['small', 'malformed.msgpack JF-MSG-002', extension(new Raw(0xcc, 5))],
  ['small', 'malformed.msgpack JF-MSG-002', extension(new Raw(0xd1, 0, 5))],
  ['small', 'malformed.msgpack JF-MSG-002', extension(new Raw(0xd0, 0xff))],
  ['small', 'malformed.msgpack JF-MSG-002', extension(new Raw(0xd9, 1, 65))],
  ['small', 'malformed.msgpack JF-MSG-002', extension(new Raw(0xc5, 0, 1, 65))],
  ['small', 'malformed.msgpack JF-MSG-002', extension(new Raw(0xdc, 0, 1, 1))],
  ['small', 'malformed.msgpack JF-MSG-002', extension(new Raw(0xde, 0, 0))],
  ['small', 'malformed.msgpack JF-MSG-003', extension(new Raw(0x81, 1, 1))],
  ['small', 'malformed.msgpack JF-MSG-003', extension(new Raw(0x82, 0xa1, 66, 1, 0xa1, 65, 1))],
  ['small', 'malformed.msgpack JF-MSG-003', extension(new Raw(0x82, 0xa1, 65, 1, 0xa1, 65, 1))],
  ['small', 'malformed.msgpack JF-MSG-004', extension(new Raw(0xa3, 0xed, 0xa0, 0x80))],
  ['small', 'malformed.msgpack JF-MSG-004', extension(new Raw(0xa2, 0xc0, 0x80))],
  ['small', 'ok', extension(new Raw(Array(38).fill(0x91), 1))],
  ['small', 'limit.depth JF-MSG-005', extension(new Raw(Array(39).fill(0x91), 1))],
  ['small', 'malformed.msgpack JF-MSG-006', extension(new Raw(0xdd, 0xff, 0xff, 0xff, 0xff))],
  ['small', 'ok', extension([-33, (1n << 64n) - 1n, -(1n << 63n), 2 ** 53])],
  // section 7
  ['small', 'malformed.manifest JF-MAN-001', (model) => { model.manifest.delete('ignored'); }],
  ['small', 'malformed.manifest JF-MAN-001', (model) => { model.manifest.set('zzz', 1); }],
  ['small', 'malformed.manifest JF-MAN-002', (model) => { model.manifest.set('environment', []); }],
  ['small', 'malformed.manifest JF-MAN-002', provenance('zone', 1441)],
  ['small', 'malformed.manifest JF-MAN-002', provenance('time', -1)],
  ['small', 'malformed.manifest JF-MAN-003', provenance('remotes', [[ascii('b'), zeros(0)], [ascii('a'), zeros(0)]])],
  ['small', 'unsupported.feature JF-MAN-004', (model) => { model.manifest.set('requires', ['x']); }],
  ['small', 'unsupported.feature JF-MAN-004', (model) => { model.manifest.set('requires', ['x']); model.manifest.set('state', 1); model.manifest.delete('ignored'); }],
  ['small', 'ok', provenance('captured', 'program')],
  ['small', 'malformed.manifest JF-MAN-001', (model) => { model.manifest.get('provenance').delete('tool'); }],
  ['small', 'unsafe.path JF-PTH-001', (model) => { model.manifest.set('ignored', [ascii('../x/')]); }],
  ['small', 'unsupported.block JF-BLK-001', (model) => { model.blocks.push({ kind: 'x', records: [[3, base]] }); }],
  ['small', 'unsupported.block JF-BLK-001', (model) => { model.blocks.push({ kind: 'x', records: [[3, base]], map: { sha256: 1, more: 1 } }); state(model).delete('head'); }],
  ['small', 'ok', (model) => { model.blocks.push({ kind: 'x', critical: false, records: [[3, base]], frame: ascii('anything') }); }],
  ['long', 'ok', prefixed(0)],
  ['long', 'malformed.manifest JF-BLK-008', prefixed(1)],
  ['long', 'malformed.manifest JF-BLK-008', prefixed((1n << 64n) - 1n)],
  ['long', 'malformed.manifest JF-MAN-002', prefixed(true)],
  ['small', 'malformed.manifest JF-BLK-008', prefixed(0)],
  ['small', 'corrupt.block JF-BLK-002', (model) => { model.blocks.push({ kind: 'x', critical: false, records: [[3, base]], map: { sha256: zeros(32) } }); }],
  ['small', 'malformed.manifest JF-BLK-003', block({ critical: false })],
  ['small', 'malformed.manifest JF-BLK-004', (model) => { model.blocks.unshift({ kind: 'x', critical: false, records: [[3, base]] }); }],
  ['small', 'corrupt.block JF-BLK-005', block({ sha256: zeros(32) })],
  ['small', 'limit.size JF-BLK-006', block({ raw_length: 2n ** 41n })],
  ['small', 'limit.size JF-BLK-006', block({ object_bytes: 2 ** 29 })],
  ['small', 'limit.count JF-BLK-006', block({ records: 2 ** 29 })],
  ['small', 'malformed.record JF-BLK-007', block({ records: 1 })],
  ['small', 'malformed.record JF-BLK-007', block({ records: 1000 })],
  ['small', 'malformed.record JF-BLK-007', block({ object_bytes: 1 })],
  ['dirty', 'mismatch.summary JF-SUM-001', (model) => { model.manifest.get('summary').get('untracked').pop(); }],
  ['small', 'mismatch.summary JF-SUM-002', (model) => { model.manifest.get('summary').set('commit', null); }],
  ['long', 'mismatch.state JF-HIS-001', (model) => { model.manifest.get('history').set('commits', 9); }],
  ['long', 'mismatch.state JF-HIS-002', (model) => { model.manifest.get('history').set('shallow', [state(model).get('head').get('commit')]); }],
  ['small', 'mismatch.state JF-HIS-003', (model) => { model.manifest.get('history').set('missing', [index(model).get('tree')]); }],
  ['long', 'missing.object JF-HIS-004', (model) => { const { records } = model.blocks.at(-1); records.splice(records.findLastIndex(([kind]) => kind === 2), 1); }],
  // section 8
  ['small', 'ok', (model) => { state(model).set('facts', map({ 'com.example.fact': [1, map({})] })); }],
  ['small', 'malformed.manifest JF-MAN-002', (model) => { state(model).set('facts', null); }],
  ['small', 'malformed.manifest JF-STA-002', (model) => { state(model).set('head', map({ commit: null, ref: null })); }],
  ...['HEAD', 'refs/', 'refs//x', 'refs/heads/a.lock', 'refs/heads/.a', 'refs/heads/a..b', 'refs/heads/a b', 'refs/heads/a@{b', 'refs/heads/a.'].map(
    (ref) => ['small', 'malformed.manifest JF-STA-003', (model) => { state(model).get('head').set('ref', ascii(ref)); }]),
  ['small', 'unsafe.path JF-STA-004', (model) => { index(model).set('assume_unchanged', [ascii('../a')]); }],
  ['small', 'mismatch.state JF-IDX-001', (model) => { index(model).set('intent_to_add', [[ascii('a.py'), 0o100644]]); }],
  ['small', 'mismatch.state JF-IDX-002', (model) => { index(model).set('skip_worktree', [ascii('package')]); }],
  ['small', 'mismatch.state JF-WRK-002', omitted('a.py', 'size')],
  ['small', 'mismatch.state JF-WRK-002', (model) => { worktree(model).set('empty_directories', [ascii('package')]); }],
  ['small', 'mismatch.state JF-WRK-003', (model) => { worktree(model).set('converted', [ascii('package')]); }],
  ['small', 'mismatch.state JF-WRK-004', (model) => { worktree(model).set('filtered', [ascii('none')]); }],
  ['small', 'unsafe.path JF-WRK-005', omitted('a\\..', 'size')],
  ['small', 'ok', omitted('a\\..', 'name')],
  ['small', 'ok', omitted('data/', 'com.example.too-old')],
  ['small', 'malformed.manifest JF-MAN-002', omitted('data', 'odd')],
  ['small', 'malformed.manifest JF-MAN-002', omitted('data', `a.${'b'.repeat(63)}`)],
  ['small', 'malformed.manifest JF-MAN-002', omitted('data/', 'size', zeros(32))],
  ['small', 'mismatch.state JF-WRK-002', omitted('package/', 'size')],
  ['small', 'malformed.manifest JF-WRK-007', (model) => { worktree(model).set('omitted', [leftOut('d'), leftOut('d/')]); }],
  ['small', 'malformed.manifest JF-WRK-007', (model) => { worktree(model).set('omitted', [leftOut('d/'), leftOut('d/e/f')]); }],
  ['small', 'ok', stagedOmitted('a.py', 'secret')],
  ['small', 'ok', stagedOmitted('new', 'secret')],
  ['small', 'unsafe.path JF-WRK-005', stagedOmitted('new/')],
  ['dirty', 'mismatch.state JF-IDX-003', stagedOmitted('staged')],
  ['dirty', 'mismatch.state JF-IDX-003', stagedOmitted('intended')],
  ['small', 'malformed.manifest JF-MAN-002', operation('stash', [])],
  ['small', 'malformed.manifest JF-MAN-002', operation('bisect', [zeros(20)])],
  ['small', 'missing.object JF-NED-001', operation('merge', [zeros(20)])],
  ['small', 'ok', operation('bisect', [], ascii('a message'))],
  ['small', 'mismatch.state JF-SUB-002', (model) => { record([2, zeros(0)])(model); state(model).set('submodules', [map({ path: ascii('a.py'), state: unborn() })]); }],
  ['nested', 'mismatch.state JF-SUB-001', (model) => { worktree(model).set('tree', index(model).get('tree')); }],
  ['small', 'mismatch.state JF-STA-001', (model) => { const inner = unborn(); inner.set('object_format', 'sha256'); state(model).set('submodules', [map({ path: ascii('s'), state: inner })]); }],
  ['small', 'limit.depth JF-SUB-003', (model) => { let inner = unborn(); for (let i = 1; i < 9; i++) { const outer = unborn(); outer.set('submodules', [map({ path: ascii('s'), state: inner })]); inner = outer; } state(model).set('submodules', [map({ path: ascii('s'), state: inner })]); }],
  ['small', 'ok', rootOf('beside')],
  ['small', 'mismatch.state JF-ROO-002', rootOf('package')],
  ['small', 'malformed.manifest JF-MAN-002', rootOf('a/b')],
  ['small', 'unsafe.path JF-STA-004', rootOf('.git')],
  ['small', 'malformed.manifest JF-ROO-001', (model) => { const inner = unborn(); inner.set('roots', [map({ name: base, state: unborn() })]); rootOf('beside', inner)(model); }],
  ['small', 'limit.count JF-SUB-006', (model) => { state(model).set('submodules', Array.from({ length: 1200 }, (_, i) => map({ path: ascii(`s${i + 1000}`), state: null }))); }],
  // section 9
  ['small', 'malformed.record JF-REC-001', record([4, base])],
  ['small', 'malformed.record JF-REC-001', record([3, 'text'])],
  ['small', 'malformed.record JF-REC-001', record(null)],
  ['small', 'malformed.record JF-REC-001', diff([0, 0], base)],
  ['small', 'malformed.record JF-REC-001', diff(zeros(0))],
  ['small', 'malformed.duplicate JF-REC-002', record([3, base], [3, base])],
  ['small', 'malformed.duplicate JF-REC-002', diff([0, base.length])],
  ['small', 'malformed.diff JF-REC-003', diff([base.length - 1, 2])],
  ['small', 'malformed.diff JF-REC-004', record([3, base], [2, oid(3, base), [[0, 1]]])],
  ['small', 'missing.base JF-REC-005', record([3, zeros(20), [base]])],
  // Read, and reached by nothing.
  ['small', 'mismatch.state JF-REC-008', chain(50)],
  ['small', 'mismatch.state JF-REC-008', record([2, zeros(0)])],
  ['small', 'limit.depth JF-REC-006', chain(51)],
  ['small', 'limit.size JF-REC-007', record([3, zeros(20), [[0, 2 ** 28 + 1]]])],
  ['small', 'malformed.object JF-OBJ-001', record([1, ascii('author n\n')])],
  ['small', 'malformed.object JF-OBJ-001', record([1, ascii(`tree ${'A'.repeat(40)}\n`)])],
  ['small', 'malformed.object JF-OBJ-001', record([1, ascii(`tree ${'a'.repeat(40)}\nparent x\n`)])],
  ['small', 'malformed.object JF-OBJ-002', record([2, ascii('100644 name')])],
  ['small', 'malformed.object JF-OBJ-002', someTree('100694 name')],
  ['small', 'malformed.object JF-OBJ-002', someTree('01234567 name')],
  ...['..', '.GIT', 'git~1', '.git ', '.git:x', 'a\\..', 'x\\.Git. .', '.g\u200cit', 'a/b', ''].map((name) => ['small', 'unsafe.path JF-OBJ-003', someTree(`100644 ${name}`)]),
  ['small', 'limit.path JF-PTH-002', someTree(`100644 ${'a'.repeat(256)}`)],
  // section 10: through repositories inside each other
  ['small', 'ok', (model) => { model.manifest.set('ignored', [ascii(`${Array(144).fill('a'.repeat(255)).join('/')}/`)]); }],
  ['small', 'limit.path JF-PTH-002', (model) => { model.manifest.set('ignored', [ascii(Array(145).fill('a'.repeat(255)).join('/'))]); }],
  // section 15
  ['small', 'ok', registered('labels', map({ loss: '0.5' }))],
  ['small', 'malformed.manifest JF-EXT-001', registered('labels', map({ loss: 1 }))],
  ['small', 'malformed.manifest JF-EXT-001', registered('labels', map({ 'a\u007f': '' }))],
  ['small', 'malformed.manifest JF-EXT-002', registered('note', 'é'.repeat(32_769))],
  ['small', 'ok', registered('run', map({ id: zeros(16), parent: null, sequence: 1 }))],
  ['small', 'malformed.manifest JF-EXT-003', registered('run', map({ id: zeros(16), parent: zeros(32), sequence: 0 }))],
  ['small', 'ok', registered('edited', [ascii('a'), ascii('b')])],
  ['small', 'malformed.manifest JF-EXT-004', registered('edited', [ascii('b'), ascii('a')])],
  ['small', 'unsafe.path JF-EXT-004', registered('edited', [ascii('../a')])],
  ['small', 'ok', registered('signatures', [signature()])],
  ['small', 'malformed.manifest JF-EXT-005', registered('signatures', [])],
  ['small', 'malformed.manifest JF-SIG-001', (model) => { model.manifest.get('history').set('prerequisites', [zeros(20)]); registered('signatures', [signature()])(model); }],
];

test('one fault each', async (t) => {
  const models = Object.fromEntries(await Promise.all(Object.entries(containers).map(async ([name, bytes]) => [name, await take(bytes)])));
  for (const [i, [name, expected, change]] of CASES.entries()) {
    await t.test(`${i}: ${expected}`, async () => {
      const model = { manifest: copy(models[name].manifest), blocks: models[name].blocks.map(({ kind, records }) => ({ kind, records: copy(records) })) };
      const options = change(model) ?? {};
      assert.equal(await outcome(seal(model, options)), expected);
    });
  }
});

const worktreeOf = async (files) => {
  const model = bare(files);
  try {
    return await sealRight(model);
  } catch {
    return seal(model);
  }
};

test('strict trees', async () => {
  for (const mode of ['100644', '100755', '120000']) assert.equal(await outcome(await worktreeOf([[mode, 'a', 'x']])), 'ok');
  for (const mode of ['100664', '0100644', '100000', '777', '040000']) {
    assert.equal(await outcome(await worktreeOf([[mode, 'a', 'x']])), 'malformed.object JF-OBJ-004', mode);
  }
  assert.equal(await outcome(await worktreeOf([['100644', 'b', 'x'], ['100644', 'a', 'y']])), 'malformed.object JF-OBJ-005');
  assert.equal(await outcome(await worktreeOf([['100644', 'a', 'x'], ['100644', 'a', 'y']])), 'malformed.object JF-OBJ-005');
  assert.equal(await outcome(await worktreeOf([['40000', 'a', 'x']])), 'malformed.object JF-OBJ-007');
});

test('a directory stands as if / followed', async () => {
  const leaf = tree(['100644', 'f', oid(3, ascii('x'))]);
  for (const [entries, expected] of [[[['100644', 'a.b'], ['40000', 'a']], 'ok'], [[['40000', 'a'], ['100644', 'a.b']], 'malformed.object JF-OBJ-005'], [[['100644', 'a'], ['100644', 'a.b'], ['40000', 'a']], 'malformed.object JF-OBJ-005']]) {
    const whole = tree(...entries.map(([mode, name]) => [mode, name, mode === '40000' ? oid(2, leaf) : oid(3, ascii('x'))]));
    const model = bare([], { records: [[3, ascii('x')], [2, leaf], [2, whole], [2, zeros(0)]] });
    worktree(model).set('tree', oid(2, whole));
    assert.equal(await outcome(await sealRight(model)), expected);
  }
});

test('paths of 4096 bytes and 256 components', async () => {
  for (const [depth, length, expected] of [[256, 1, 'ok'], [257, 1, 'limit.path JF-PTH-002'], [16, 255, 'ok'], [17, 241, 'limit.path JF-PTH-002']]) {
    const records = [[3, ascii('x')]];
    let [mode, id] = ['100644', oid(3, ascii('x'))];
    for (let i = 0; i < depth; i++) {
      const level = tree([mode, 'd'.repeat(length), id]);
      records.push([2, level]);
      [mode, id] = ['40000', oid(2, level)];
    }
    const model = bare([], { records: [...records, [2, zeros(0)]] });
    worktree(model).set('tree', id);
    assert.equal(await outcome(expected === 'ok' ? await sealRight(model) : seal(model)), expected);
  }
});

test('a tree that doubles at every level is counted, not flattened', async () => {
  const records = [[3, ascii('x')]];
  let [mode, id] = ['100644', oid(3, ascii('x'))];
  for (let i = 0; i < 40; i++) {
    const level = tree([mode, 'a', id], [mode, 'b', id]);
    records.push([2, level]);
    [mode, id] = ['40000', oid(2, level)];
  }
  const model = bare([], { records: [...records, [2, zeros(0)]] });
  worktree(model).set('tree', id);
  assert.equal((await outcome(seal(model))).split(' ')[0], 'limit.count');
});

test('SHA-256 object ids', async () => {
  const bytes = await sealRight(bare([['100644', 'a', 'x'], ['120000', 'l', 'a']], { format: 'sha256' }));
  const container = await check(bytes);
  assert.equal((await container.files())[0].oid.length, 32);
});

test('the sizes of a filtered and a missing blob', async () => {
  const model = bare([['100644', 'a', 'x'], ['100644', 'b', 'yy']]);
  model.blocks[0].records = model.blocks[0].records.filter(([kind, content]) => kind !== 3 || content.length !== 2);
  model.manifest.get('history').set('missing', [oid(3, ascii('yy'))]);
  const container = await check(await sealRight(model));
  assert.deepEqual((await container.files()).map(({ size }) => size), [1, 0]);
  assert.equal(await container.cat(ascii('b')), null);
});

test('a prefix changes nothing else of a frame', async () => {
  const { create64 } = await xxhash();
  const raw = ascii('what is behind it');
  const good = new Uint8Array(Uint32Array.of(Number(create64().update(raw).digest() & 0xffffffffn)).buffer);
  for (const prefix of [null, zeros(100_000)]) {
    const read = (bytes, length = raw.length) => decompress(bytes, length, 1 << 27, prefix);
    assert.deepEqual(await read(frame(raw)), raw);
    assert.deepEqual(await read(frame(raw, { checksum: true, end: good })), raw);
    for (const bytes of [frame(raw, { checksum: true, end: zeros(4) }), frame(raw, { checksum: true, end: good.subarray(1) })]) await assert.rejects(read(bytes), { class: 'malformed.compression' });
    for (const length of [raw.length - 1, raw.length + 1]) await assert.rejects(read(frame(raw), length), { class: 'malformed.compression' });
    // A window of 1 KiB has blocks of 1 KiB.
    assert.equal((await read(frame(zeros(3000), { window: 0, size: 1024 }), 3000)).length, 3000);
    await assert.rejects(read(frame(zeros(3000), { window: 0, size: 1025 }), 3000), { class: 'malformed.compression' });
  }
});
