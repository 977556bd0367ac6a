// Containers that real ssh-keygen signed, and what becomes of the signature where something is changed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { withPath } from '../src/node.js';
import { signatures, signedBytes } from '../src/signatures.js';
import { concat } from '../src/bytes.js';
import { reopen, signatureOf } from './signing.js';
import { jelly, join, reference, referenceJson, run, small, snapshot, temporary } from './fixtures.js';

const root = temporary();

function key(name, ...options) {
  const path = join(root, name);
  run('ssh-keygen', ['-q', '-N', '', '-C', name, '-f', path, ...options]);
  return path;
}

const ann = key('ann', '-t', 'ed25519');
const bob = key('bob', '-t', 'ed25519');
const carol = key('carol', '-t', 'ecdsa');
const fingerprint = (path) => run('ssh-keygen', ['-lf', path]).toString().split(' ')[1];

async function signed(name, ...keys) {
  const file = await snapshot(root, small(root, name), `${name}.jelly`);
  for (const path of keys) await reference('sign', file, '--key', path);
  return file;
}

const told = (file) => withPath(file, (container) => signatures(container));

test('a container that ssh-keygen signed', async () => {
  const file = await signed('good', ann, carol, bob);
  assert.deepEqual(await told(file), [
    { format: 'sshsig', key_type: 'ssh-ed25519', fingerprint: fingerprint(ann), holds: true },
    { format: 'sshsig', key_type: 'ecdsa-sha2-nistp256', fingerprint: fingerprint(carol), holds: null },
    { format: 'sshsig', key_type: 'ssh-ed25519', fingerprint: fingerprint(bob), holds: true },
  ]);
  const here = JSON.parse(jelly('verify', file).out);
  const there = await referenceJson('verify', '--json', file);
  assert.deepEqual(here.signatures.map((it) => it.fingerprint), there.signatures.map((it) => it.fingerprint));
  assert.deepEqual(here.signatures[0].holds, true);
});

test('none', async () => {
  assert.deepEqual(await told(await signed('none')), []);
});

test('what is signed is what the reference signs, however many extensions there are', async () => {
  const file = await signed('many', ann);
  await reference('label', file, ...Array.from({ length: 20 }, (_, i) => `l${i}=${i}`), '--note', 'n', '--drop-signatures');
  await reference('sign', file, '--key', ann);
  assert.equal((await told(file))[0].holds, true);
  const container = await reopen(file, (extensions) => {
    for (let i = 0; i < 30; i++) extensions.set(`com.example.${i}`, i);
  });
  assert.deepEqual((await signatures(container)).map((it) => it.holds), [false]);
  const none = await reopen(file, (extensions) => extensions.clear());
  assert.ok((await signedBytes(none)).length < (await signedBytes(container)).length);
});

test('attacks', async () => {
  const file = await signed('attacked', ann);
  const holds = async (edit) => (await signatures(await reopen(file, edit))).map((it) => it.holds);
  assert.deepEqual(await holds(() => {}), [true]);
  assert.deepEqual(await holds((extensions) => extensions.set('sidecar', new Map())), [true]);
  assert.deepEqual(await holds((extensions) => extensions.set('note', 'another')), [false]);
  assert.deepEqual(await holds((extensions) => extensions.set('binding', null)), [false]);
  assert.deepEqual(await holds((extensions) => extensions.delete('signatures')), []);
  const blob = await signatureOf(file);
  const with_ = (signature, format = 'sshsig') => (extensions) => extensions.set('signatures', [new Map([['format', format], ['signature', signature]])]);
  for (let at = 0; at < blob.length; at++) {
    const changed = blob.slice();
    changed[at] ^= 1;
    const [found] = await holds(with_(changed));
    assert.notEqual(found, true, `byte ${at}`);
    assert.notEqual((await holds(with_(blob.slice(0, at))))[0], true, `cut at ${at}`);
  }
  assert.deepEqual(await holds(with_(concat(blob, Uint8Array.of(0)))), [false]);
  assert.deepEqual(await holds(with_(blob, 'pgp')), [null]);
  assert.deepEqual(await holds((extensions) => extensions.set('signatures', ['x', null])), [false, false]);
  // of another container
  const other = await signed('other', bob);
  const [moved] = await signatures(await reopen(other, with_(blob)));
  assert.equal(moved.holds, false);
});

test('another namespace', async () => {
  const file = await signed('namespace', ann);
  const message = join(root, 'message');
  await withPath(file, async (container) => writeFileSync(message, await signedBytes(container)));
  for (const [namespace, expected] of [['git', false], ['container@jellyformat.org', true]]) {
    run('ssh-keygen', ['-q', '-Y', 'sign', '-n', namespace, '-f', ann, message]);
    const armor = readFileSync(`${message}.sig`, 'utf8').split('\n').slice(1, -2).join('');
    const blob = Uint8Array.from(Buffer.from(armor, 'base64'));
    const container = await reopen(file, (extensions) => extensions.set('signatures', [new Map([['format', 'sshsig'], ['signature', blob]])]));
    assert.equal((await signatures(container))[0].holds, expected, namespace);
    rmSync(`${message}.sig`);
  }
});
