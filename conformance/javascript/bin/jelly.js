#!/usr/bin/env node
import { writeFile } from 'node:fs/promises';
import { FileSource, HOSTS, JellyError, Unsupported, open } from '../src/node.js';
import { hex, printable } from '../src/bytes.js';
import { flatMode, json } from '../src/json.js';

const USAGE = `usage: jelly capabilities
       jelly decode --in FILE
       jelly extract --host HOST --in FILE --out CONTAINER
       jelly verify FILE
       jelly ls FILE
       jelly cat FILE PATH`;

const OK = 0;
const FAULT = 1;
const UNSUPPORTED = 2;

const print = (text) => new Promise((done, fail) => process.stdout.write(text, (error) => (error ? fail(error) : done())));

async function withFile(path, work) {
  const source = await FileSource.open(path);
  try {
    return await work(source);
  } finally {
    await source.close();
  }
}

async function decode(source) {
  const container = await open(source);
  await container.verify();
  const files = await container.files();
  return {
    digest: container.digest,
    snapshot_id: container.snapshotId,
    host: container.host,
    manifest: container.manifest.value,
    files: files.map(({ path, mode, oid, size }) => ({ path, mode: flatMode(mode), oid, size })),
  };
}

async function extract(source, host, out) {
  const container = await open(source);
  if (container.host !== host) throw new JellyError('absent.snapshot', null, `this is ${container.host}, not ${host}`);
  await writeFile(out, await container.bytes());
  return { digest: container.digest, length: container.header.totalLength };
}

async function cat(source, path) {
  const container = await open(source);
  const bytes = await container.cat(new TextEncoder().encode(path));
  if (bytes === null) throw new JellyError('missing.object', null, `${path} is not in the snapshot`);
  await print(bytes);
}

async function ls(source) {
  const container = await open(source);
  return (await container.files())
    .map(({ path, mode, oid, size }) => `${flatMode(mode)} ${hex(oid)} ${String(size).padStart(9)} ${printable(path)}\n`).join('');
}

function options(args, names) {
  const out = {};
  for (let i = 0; i < args.length; i += 2) {
    const name = args[i].replace(/^--/, '');
    if (!args[i].startsWith('--') || !names.includes(name) || i + 1 >= args.length) throw new Unsupported(`unknown argument ${args[i]}\n${USAGE}`);
    out[name] = args[i + 1];
  }
  for (const name of names) if (!(name in out)) throw new Unsupported(`--${name} is missing\n${USAGE}`);
  return out;
}

function positional(args, count) {
  if (args.length !== count) throw new Unsupported(USAGE);
  return args;
}

async function main([command, ...args]) {
  switch (command) {
    case 'capabilities':
      positional(args, 0);
      return print(`${json({ protocol: 1, roles: ['read'], hosts: HOSTS, profiles: ['sha1', 'sha256'] })}\n`);
    case 'decode': {
      const { in: file } = options(args, ['in']);
      return print(`${json(await withFile(file, decode))}\n`);
    }
    case 'extract': {
      const { host, in: file, out } = options(args, ['host', 'in', 'out']);
      if (!HOSTS.includes(host)) throw new Unsupported(`no host ${host}; these are known: ${HOSTS.join(', ')}`);
      return print(`${json(await withFile(file, (source) => extract(source, host, out)))}\n`);
    }
    case 'verify': {
      const [file] = positional(args, 1);
      return withFile(file, async (source) => {
        const container = await open(source);
        const checks = await container.verify();
        await print(`${json({ ok: true, host: container.host, form: container.form, digest: container.digest, snapshot_id: container.snapshotId, checks })}\n`);
      });
    }
    case 'ls':
      return print(await withFile(positional(args, 1)[0], ls));
    case 'cat': {
      const [file, path] = positional(args, 2);
      return withFile(file, (source) => cat(source, path));
    }
    default:
      throw new Unsupported(USAGE);
  }
}

try {
  await main(process.argv.slice(2));
  process.exitCode = OK;
} catch (error) {
  if (error instanceof Unsupported) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = UNSUPPORTED;
  } else {
    // A fault of the file has a class; what the system or this program could not do has none.
    const { class: cls = error.code === 'ENOENT' ? 'absent.file' : null, requirement = null, message } = error;
    process.stdout.write(`${json({ error: { class: cls, requirement, message: String(message) } })}\n`);
    process.exitCode = FAULT;
  }
}
