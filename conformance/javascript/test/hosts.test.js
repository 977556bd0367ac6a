// Containers in files of the frameworks, put there by the reference or by the frameworks themselves.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { FileSource, checkTie, open, withPath } from '../src/node.js';
import { ascii, concat, hex } from '../src/bytes.js';
import { checkpoints, existsSync, join, readFileSync, reference, referenceJson, repack, request, small, snapshot, sparse, temporary, trailerOf, u64 } from './fixtures.js';

const root = temporary();
const container = await snapshot(root, small(root), 'x.jelly');
const bytes = readFileSync(container);
checkpoints(root, container);

async function compare(file, host, form) {
  const show = await referenceJson('show', '--json', file);
  await withPath(file, async (got) => {
    await got.verify();
    await checkTie(got);
    assert.deepEqual([got.digest, got.snapshotId, got.host, got.form], [show.digest, show.snapshot_id, host, form]);
  });
  assert.equal((await request('extract', '--host', host, '--in', file, '--out', `${file}.out`)).exit, 0);
  assert.deepEqual(readFileSync(`${file}.out`), bytes);
}

const EMBEDDED = [
  ['m.npz', 'zip', 'locator'], ['c.npz', 'zip', 'locator'], ['m.zip', 'zip', 'locator'], ['m.bin', 'trailer', 'trailer'], ['m.pt', 'zip', 'locator'],
  ['legacy.pt', 'trailer', 'trailer'], ['m.safetensors', 'safetensors', 'metadata'], ['n.safetensors', 'safetensors', 'metadata'],
  ['o.safetensors', 'safetensors', 'metadata'], ['m.h5', 'hdf5', 'user block'], ['m.onnx', 'onnx', 'field'],
  ['m.gguf', 'gguf', 'trailer'],
];
for (const [name, host, form] of EMBEDDED) {
  const file = join(root, name);
  test(`embedded in ${name}`, { skip: !existsSync(file) && 'the framework is not installed' }, async () => {
    const none = await request('decode', '--in', file);
    assert.deepEqual([none.exit, none.output.error.class], [1, 'absent.snapshot']);
    const out = join(root, `embedded-${name}`);
    await reference('embed', file, '--from', container, '-o', out, '-q', ...(name === 'm.bin' ? ['--trailer'] : []));
    await compare(out, host, form);
  });
}

for (const [name, host] of [['tensor.pt', 'zip'], ['legacy-tensor.pt', 'trailer']]) {
  const file = join(root, name);
  test(`a tensor of bytes in ${name}`, { skip: !existsSync(file) && 'torch is not installed' }, () => compare(file, host, 'tensor'));
}

test('beside a file, and in a directory', async () => {
  const text = join(root, 'm.json');
  writeFileSync(text, '{"text": true}\n');
  await reference('embed', text, '--from', container, '-q');
  const show = await referenceJson('show', '--json', text);
  for (const [file, host] of [[text, 'sidecar'], [join(root, 'jelly.m.json.jelly'), 'jelly']]) {
    const { exit, output } = await request('decode', '--in', file);
    assert.deepEqual([exit, output.digest, output.host], [0, show.digest, host]);
  }
  writeFileSync(text, '{"text": null}\n');
  for (const file of [text, join(root, 'jelly.m.json.jelly')]) assert.equal((await request('decode', '--in', file)).output.error.class, 'mismatch.binding');
  const directory = join(root, 'dcp');
  mkdirSync(directory);
  writeFileSync(join(directory, '.metadata'), Uint8Array.of(0x80));
  writeFileSync(join(directory, '__0_0.distcp'), 'x');
  await reference('embed', directory, '--from', container, '-q');
  await compare(directory, 'directory', 'file');
});

for (const [method, how] of [[0, 'stored'], [8, 'deflated']]) {
  const file = join(root, 'embedded-m.pt');
  test(`a torch file repacked by another tool, ${how}`, { skip: !existsSync(join(root, 'm.pt')) && 'torch is not installed' }, async () => {
    const out = join(root, `${how}.pt`);
    repack(file, out, method);
    await compare(out, 'zip', 'entry');
  });
}

test('an ArrayBuffer, a Uint8Array and a Blob', async () => {
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  for (const input of [buffer, new Uint8Array(buffer), new Blob([buffer])]) {
    const got = await open(input);
    await got.verify();
    assert.equal(Buffer.from(await got.cat(ascii('a.py'))).toString(), 'print(0)\n');
  }
});

const locator = (offset, hostLength) => trailerOf(bytes, hostLength, offset);

test('the ways in which pickle writes the number of a legacy torch file', async () => {
  const number = Uint8Array.of(0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e);
  const framed = (protocol) => concat(Uint8Array.of(0x80, protocol, 0x95), u64(12), number);
  for (const start of [ascii('L119547037146038801333356L\n.'), concat(Uint8Array.of(0x80, 2), number), concat(Uint8Array.of(0x80, 4), number), framed(4), framed(5)]) {
    assert.equal((await open(concat(start, ascii('x'), bytes, ascii('y')))).form, 'tensor');
  }
  for (const start of [framed(3), number, ascii('L119547037146038801333357L\n.')]) await assert.rejects(open(concat(start, bytes, ascii('y'))), { class: 'absent.snapshot' });
});

const GiB = 1024 ** 3;

test('a checkpoint of 10 GiB costs a few reads', async () => {
  const host = 10 * GiB;
  const json = ascii(JSON.stringify({ __metadata__: { jellyformat: `${bytes.toString('base64')}~` }, w: { dtype: 'U8', shape: [host], data_offsets: [0, host] } }));
  const length = u64(json.length).reverse();
  const files = [
    await sparse(root, 'big.bin', [[0, ascii('x')], [host, bytes], [host + bytes.length, locator(host, host)]]),
    await sparse(root, 'big.safetensors', [[0, length], [8, json], [8 + json.length + host - 1, Uint8Array.of(0)]]),
    await sparse(root, 'big.pt', [[0, Uint8Array.of(0x50, 0x4b, 3, 4)], [host, bytes], [host + bytes.length, Uint8Array.of(0x50, 0x4b, 5, 6)],
      [host + bytes.length + 20, concat(Uint8Array.of(128, 0), ascii(hex(locator(host, host))))]]),
  ];
  for (const path of files) {
    const source = await FileSource.open(path);
    await (await open(source)).verify();
    await source.close();
    assert.ok(source.reads <= 10, `${source.reads} reads of ${path}`);
    assert.ok(source.bytesRead < 80 * 1024, `${source.bytesRead} bytes of ${path}`);
  }
});

test('locators that do not fit', async () => {
  const host = ascii('the host');
  const good = concat(host, bytes, locator(host.length, host.length));
  await open(good);
  const cases = [
    [concat(host, bytes, locator(host.length + 1, host.length)), 'corrupt.locator'],
    [concat(host, bytes, locator(host.length, host.length + 1)), 'corrupt.locator'],
    [concat(host, bytes.subarray(1), locator(host.length, host.length)), 'corrupt.locator'],
    [concat(host, Uint8Array.of(0), bytes, locator(host.length + 1, host.length)), 'corrupt.locator'],
    [concat(host, bytes, Uint8Array.of(0), locator(host.length, host.length)), 'corrupt.locator'],
    [good.subarray(-8), 'corrupt.locator'],
    [good.subarray(0, -1), 'absent.snapshot'],
    [host, 'absent.snapshot'],
    [new Uint8Array(), 'absent.snapshot'],
  ];
  for (const [file, cls] of cases) await assert.rejects(open(file), { class: cls });
  for (let at = good.length - 64; at < good.length - 8; at++) {
    const changed = good.slice();
    changed[at] ^= 1;
    await assert.rejects(open(changed), { class: 'corrupt.locator' });
  }
});

test('safetensors headers', async () => {
  const base64 = bytes.toString('base64');
  const file = (json, data = new Uint8Array()) => concat(u64(ascii(json).length).reverse(), ascii(json), data);
  const metadata = (value) => `{"__metadata__":{"jellyformat":${JSON.stringify(value)}}}`;
  const tensor = `"jellyformat":{"dtype":"U8","shape":[${bytes.length}],"data_offsets":[0,${bytes.length}]}`;
  for (const good of [file(metadata(`${base64}~`)), file(`{"__metadata__":{"a":"}\\"{","\\u006aellyformat":"${base64}!!"}}  `), file(`{${tensor}}`, bytes)]) await open(good);
  const bad = [
    '{"__metadata__":{"jellyformat":1}}', `{"__metadata__":{},"__metadata__":{}}`, `{${tensor},${tensor}}`, `{"jellyformat":null}`, '{,}',
    `{"__metadata__":{"jellyformat":"${base64}~","\\u006aellyformat":"${base64}~"}}`,
    metadata(`~${base64}`), metadata(`${base64.slice(0, 8)}\n${base64.slice(8)}`), metadata(`${base64}A~`),
    `{${tensor}}`.replace('U8', 'I8'), `{${tensor}}`.replace('[0', '[1'),
  ];
  for (const json of bad) await assert.rejects(open(file(json, json.includes(tensor) ? bytes : new Uint8Array())), { class: 'malformed.host' }, json.slice(0, 80));
  await open(file(`{${tensor}}`, concat(bytes, bytes)));
  await assert.rejects(open(file(`{${tensor}}`, bytes.subarray(1))), { class: 'malformed.host' });
});
