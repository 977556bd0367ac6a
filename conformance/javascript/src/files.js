// What a path leads to, in Node: the container in a file, in the sidecar beside it (SPEC 14.6), or in a directory (14.7).
import { open as openFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { binary, equal } from './bytes.js';
import { Container } from './container.js';
import { fail } from './errors.js';
import { sha256 } from './hash.js';
import { MAGIC } from './header.js';
import { look } from './hosts/index.js';
import { Source } from './source.js';

const PREFIX = 'jelly.';
const SUFFIX = '.jelly';
const NAME_BYTES = 255;
const IN_DIRECTORY = 'jellyformat.jelly';
const INDEX_HEAD = 65_536;
const PIECE = 4 * 1024 ** 2;

export class FileSource extends Source {
  static async open(path) {
    const handle = await openFile(path, 'r');
    try {
      const found = await handle.stat();
      if (!found.isFile()) throw Object.assign(new Error(`${path} is no regular file`), { code: 'EINVAL' });
      return new FileSource(handle, found.size);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  constructor(handle, size) {
    super();
    this.handle = handle;
    this.size = size;
    this.reads = 0;
    this.bytesRead = 0;
  }

  async slice(offset, length) {
    const out = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.handle.read(out, done, length - done, offset + done);
      this.reads += 1;
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    this.bytesRead += done;
    return out.subarray(0, done);
  }

  close() {
    return this.handle.close();
  }
}

/** Whether there is a regular file, links followed. */
async function isFile(path) {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(error.code)) return false;
    throw error;
  }
}

/** Files that are closed together. */
class Files {
  #open = [];

  async open(path) {
    const source = await FileSource.open(path);
    this.#open.push(source);
    return source;
  }

  async close() {
    for (const source of this.#open.splice(0)) await source.close();
  }
}

const starts = async (source) => equal(await source.peek(0, MAGIC.length), MAGIC);

/** Whether a file is the index of a model in several files. */
async function isIndex(path, source) {
  if (!basename(path).includes('.index.') || !path.endsWith('.json')) return false;
  const text = binary(await source.peek(0, INDEX_HEAD));
  return /^[ \t\n\r]*\{/.test(text) && text.includes('"weight_map"');
}

async function inDirectory(files, directory) {
  const path = join(directory, IN_DIRECTORY);
  const source = await isFile(path) ? await files.open(path) : null;
  if (source === null || !(await starts(source))) fail('absent.snapshot', 'JF-DIR-002', `${directory} has no container`);
  return Object.assign(await Container.open(source), { host: 'directory', form: 'file' });
}

/** Where the sidecar of the file at `path` may be: under its name, or the one that it had in older versions. */
function sidecarPaths(path) {
  const own = basename(path);
  const hash = () => Buffer.from(sha256.create().update(Buffer.from(own)).digest()).toString('hex');
  const name = Buffer.byteLength(PREFIX + own + SUFFIX) > NAME_BYTES ? hash() : own;
  return [join(dirname(path), PREFIX + name + SUFFIX), path + SUFFIX];
}

/** The sidecar of the file at `path`, whose bytes are `host`; null where there is none. One that is damaged is an error. */
async function beside(files, path, host) {
  for (const name of sidecarPaths(path)) {
    const source = await isFile(name) ? await files.open(name) : null;
    if (source === null || !(await starts(source))) continue;
    const container = await Container.open(source);
    if (container.manifest.extensions.has('sidecar')) return Object.assign(container, { host: 'sidecar', form: 'beside', tied: host });
  }
  return null;
}

/** The file that a sidecar, which was named itself, may be for: by its own name, or by the one that its host had. */
async function hostOf(path, tie) {
  const own = basename(path);
  const names = own.endsWith(SUFFIX) && own !== SUFFIX ? [Buffer.from(own.slice(0, -SUFFIX.length))] : [];
  if (own.startsWith(PREFIX) && own.length > PREFIX.length + SUFFIX.length && names.length) names.unshift(Buffer.from(own.slice(PREFIX.length, -SUFFIX.length)));
  const name = tie instanceof Map ? tie.get('name') : null;
  if (name instanceof Uint8Array && name.length > 0 && !name.includes(0) && !name.includes(0x2f)) names.push(Buffer.from(name));
  for (const it of names) {
    const file = Buffer.concat([Buffer.from(`${dirname(path)}/`), it]);
    if (!it.equals(Buffer.from(own)) && await isFile(file)) return file;
  }
  return null;
}

async function find(files, path, kind) {
  if ((await stat(path)).isDirectory()) return inDirectory(files, path);
  const source = await files.open(path);
  if (await isIndex(path, source)) return inDirectory(files, dirname(path));
  const { host, found } = await look(source, kind);
  if (found === null) return (await beside(files, path, source)) ?? fail('absent.snapshot', 'JF-SDC-001', `this file (${host}) has no container, and none is beside it`);
  const container = Object.assign(await Container.open(found.source, { whole: found.whole }), { host, form: found.form });
  if (host === 'jelly' && container.manifest.extensions.has('sidecar')) {
    const other = await hostOf(path, container.manifest.extensions.get('sidecar'));
    if (other !== null) container.tied = await files.open(other);
  }
  return container;
}

/**
 * Opens the container for a path, does the work with it, and closes all files.
 * @param {(container: Container) => Promise<any>} work; `container.tied` is the host of a sidecar, where it is there
 * @param {string|null} kind a host of `HOSTS`, where the file is to be read as that one
 */
export async function withPath(path, work, kind = null) {
  const files = new Files();
  try {
    return await work(await find(files, path, kind));
  } finally {
    await files.close();
  }
}

/** JF-SDC-003: whether the host of a sidecar is the file that it was put beside. A binding to weights, which decides instead, is not looked at. */
export async function checkTie({ tied, manifest: { extensions } }) {
  const binding = extensions.get('binding');
  if (tied === undefined || (binding && binding.get('kind') !== 'bytes')) return;
  const tie = extensions.get('sidecar');
  const other = (what) => fail('mismatch.binding', 'JF-SDC-003', `the file beside the sidecar has another ${what} than the one it was put beside`);
  if (BigInt(tie.get('size')) !== BigInt(tied.size)) other('size');
  const hash = sha256.create();
  for (let at = 0; at < tied.size; at += PIECE) hash.update(await tied.peek(at, PIECE));
  if (!equal(hash.digest(), tie.get('sha256'))) other('SHA-256');
}
