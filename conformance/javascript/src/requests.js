// The requests of the conformance suite's protocol (conformance/PROTOCOL.md), answered; Node alone, since files are written.
import { writeFile } from 'node:fs/promises';
import { HOSTS, Unsupported, checkTie, withPath } from './node.js';
import { flatMode, json } from './json.js';

export const OK = 0;
export const FAULT = 1;
export const UNSUPPORTED = 2;

const ALL_HOSTS = [...HOSTS, 'sidecar', 'directory'];

const CAPABILITIES = {
  protocol: 2,
  name: 'jellyformat for JavaScript',
  profile: 'full',
  roles: ['read', 'verify'],
  hosts: ALL_HOSTS,
  object_formats: ['sha1', 'sha256'],
  batch: true,
};

/** The values of exactly the arguments `names`, each as --name value. */
export function options(args, names) {
  const out = {};
  for (let i = 0; i < args.length; i += 2) {
    const name = args[i].replace(/^--/, '');
    if (!args[i].startsWith('--') || !names.includes(name) || i + 1 >= args.length) throw new Unsupported(`unknown argument ${args[i]}`);
    out[name] = args[i + 1];
  }
  for (const name of names) if (!(name in out)) throw new Unsupported(`--${name} is missing`);
  return out;
}

async function decode(container) {
  await container.verify();
  await checkTie(container);
  const files = await container.files();
  return {
    digest: container.digest,
    snapshot_id: container.snapshotId,
    host: container.host,
    manifest: container.manifest.value,
    files: files && files.map(({ path, mode, oid, size }) => ({ path, mode: flatMode(mode), oid, size })),
  };
}

async function extract(container, out) {
  await writeFile(out, await container.bytes());
  return { digest: container.digest, length: container.header.totalLength };
}

async function ask([command, ...args]) {
  switch (command) {
    case 'capabilities':
      options(args, []);
      return CAPABILITIES;
    case 'decode': {
      const { in: file } = options(args, ['in']);
      return withPath(file, decode);
    }
    case 'extract': {
      const { host, in: file, out } = options(args, ['host', 'in', 'out']);
      if (!ALL_HOSTS.includes(host)) throw new Unsupported(`no host ${host}; these are known: ${ALL_HOSTS.join(', ')}`);
      return withPath(file, (container) => extract(container, out), HOSTS.includes(host) ? host : null);
    }
    default:
      throw new Unsupported(`no request ${command}`);
  }
}

function systemClass(error) {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return 'absent.file';
  return typeof error.code === 'string' || error instanceof RangeError ? 'system.io' : null;
}

/** The exit status and the output of a fault. */
export function outcome(error) {
  if (error instanceof Unsupported) return { exit: UNSUPPORTED, output: {} };
  // A fault of the file has a class, and so has what the system did not let be done; a fault of this program has none.
  const { class: cls = systemClass(error), requirement = null, message } = error;
  return { exit: FAULT, output: { error: { class: cls, requirement, message: String(message) } } };
}

/** Never throws. */
export async function answer(args) {
  try {
    return { exit: OK, output: await ask(args) };
  } catch (error) {
    return outcome(error);
  }
}

/** One request a line, one answer a line, in their order. */
export async function batch(lines, print) {
  for await (const line of lines) {
    if (line.trim() === '') continue;
    const { id, args } = JSON.parse(line);
    await print(`${json({ id, ...(await answer(args)) })}\n`);
  }
}
