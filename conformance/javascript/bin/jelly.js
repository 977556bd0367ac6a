#!/usr/bin/env node
import { createInterface } from 'node:readline';
import { Unsupported, JellyError, checkTie, withPath } from '../src/node.js';
import { signatures } from '../src/signatures.js';
import { hex, printable } from '../src/bytes.js';
import { flatMode, json } from '../src/json.js';
import { OK, answer, batch, outcome } from '../src/requests.js';

const USAGE = `usage: jelly capabilities
       jelly decode --in FILE
       jelly extract --host HOST --in FILE --out CONTAINER
       jelly batch
       jelly verify FILE
       jelly ls FILE
       jelly cat FILE PATH`;

const print = (text) => new Promise((done, fail) => process.stdout.write(text, (error) => (error ? fail(error) : done())));

async function verify(container) {
  const checks = await container.verify();
  await checkTie(container);
  const { host, form, digest, snapshotId } = container;
  return `${json({ ok: true, host, form, digest, snapshot_id: snapshotId, checks, signatures: await signatures(container) })}\n`;
}

async function ls(container) {
  const files = await container.files();
  if (files === null) throw new JellyError('missing.object', null, 'trees of this thin container are not in it');
  return files.map(({ path, mode, oid, size }) => `${flatMode(mode)} ${hex(oid)} ${String(size).padStart(9)} ${printable(path)}\n`).join('');
}

async function cat(container, path) {
  const bytes = await container.cat(new TextEncoder().encode(path));
  if (bytes === null) throw new JellyError('missing.object', null, `${path} is not in the snapshot`);
  return bytes;
}

const COMMANDS = { verify: [verify, 1], ls: [ls, 1], cat: [cat, 2] };

async function main([command, ...args]) {
  if (command === 'batch') {
    await batch(createInterface({ input: process.stdin, crlfDelay: Infinity }), print);
    return OK;
  }
  if (!Object.hasOwn(COMMANDS, command)) {
    const { exit, output } = await answer([command, ...args]);
    if (command === undefined) process.stderr.write(`${USAGE}\n`);
    await print(`${json(output)}\n`);
    return exit;
  }
  try {
    const [work, count] = COMMANDS[command];
    if (args.length !== count) throw new Unsupported(USAGE);
    await print(await withPath(args[0], (container) => work(container, ...args.slice(1))));
    return OK;
  } catch (error) {
    const { exit, output } = outcome(error);
    if (error instanceof Unsupported) process.stderr.write(`${error.message}\n`);
    else await print(`${json(output)}\n`);
    return exit;
  }
}

process.exitCode = await main(process.argv.slice(2));
