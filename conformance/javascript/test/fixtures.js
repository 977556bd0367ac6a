// Files to test with, made by the reference's command line and by git and the frameworks themselves, in a temporary directory.
import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync, readFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { open } from 'node:fs/promises';
import { concat } from '../src/bytes.js';
import { sha256 } from '../src/hash.js';
import { END_MAGIC } from '../src/hosts/locator.js';
import { answer } from '../src/requests.js';
import { json } from '../src/json.js';

export const PYTHON = process.env.JELLY_PYTHON ?? 'python3';
const REFERENCE = fileURLToPath(new URL('reference.py', import.meta.url));
export const JELLY = fileURLToPath(new URL('../bin/jelly.js', import.meta.url));
export const VECTORS = fileURLToPath(new URL('../../vectors/', import.meta.url));

const ENV = {
  ...process.env,
  GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null',
  GIT_AUTHOR_NAME: 'n', GIT_AUTHOR_EMAIL: 'a@b', GIT_COMMITTER_NAME: 'n', GIT_COMMITTER_EMAIL: 'a@b',
  GIT_AUTHOR_DATE: '1700000000 +0100', GIT_COMMITTER_DATE: '1700000000 +0100', GIT_ALLOW_PROTOCOL: 'file',
};

/** Runs a program; its stdout as bytes. `ok: false` where it may fail. */
export function run(program, args, { cwd, ok = true } = {}) {
  try {
    return execFileSync(program, args, { cwd, env: ENV, stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 30 });
  } catch (error) {
    if (ok) throw new Error(`${program} ${args.join(' ')}: ${error.stderr}${error.stdout}`);
    return error.stdout;
  }
}

export const git = (cwd, ...args) => run('git', ['-c', 'protocol.file.allow=always', '-c', 'init.defaultBranch=main', ...args], { cwd });

let running = null;

/** The reference's command line: what it writes to stdout, as bytes. */
export async function reference(...args) {
  if (running === null) {
    const child = spawn(PYTHON, [REFERENCE], { env: ENV, stdio: ['pipe', 'pipe', 'inherit'] });
    running = { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
  }
  // It keeps this process alive only while an answer is waited for; its standard input then ends with this process.
  const handles = [running.child, running.child.stdin, running.child.stdout];
  for (const handle of handles) handle.ref();
  running.child.stdin.write(`${JSON.stringify(args)}\n`);
  const { value, done } = await running.lines.next();
  for (const handle of handles) handle.unref();
  if (done) throw new Error('the reference does not run');
  return Buffer.from(JSON.parse(value).out, 'base64');
}

export const referenceJson = async (...args) => JSON.parse((await reference(...args)).toString());

/** A request of the protocol, in this process: its exit status and output. */
export async function request(...args) {
  return JSON.parse(json(await answer(args)));
}

/** One run of this package's command line. */
export function jelly(...args) {
  try {
    return { code: 0, out: execFileSync(process.execPath, [JELLY, ...args], { stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 30 }), err: '' };
  } catch (error) {
    return { code: error.status, out: error.stdout, err: error.stderr.toString() };
  }
}

export function temporary() {
  const root = mkdtempSync(join(tmpdir(), 'jelly-js-'));
  process.on('exit', () => rmSync(root, { recursive: true, force: true }));
  return root;
}

export function write(root, path, text) {
  const file = join(root, path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, text);
}

export function init(root, name, ...args) {
  const repo = join(root, name);
  mkdirSync(repo);
  git(repo, 'init', '-q', ...args);
  return repo;
}

export function commit(repo, message) {
  git(repo, 'add', '-A');
  git(repo, 'commit', '-qm', message);
}

/** A clean repository of one commit, then of `n`. */
export function small(root, name = 'small', format = 'sha1', commits = 1) {
  const repo = init(root, name, `--object-format=${format}`);
  for (let i = 0; i < commits; i++) {
    write(repo, 'a.py', `print(${i})\n`);
    write(repo, 'package/module.py', `x = ${i % 3}\n`);
    commit(repo, `commit ${i}`);
  }
  return repo;
}

/** Staged, unstaged, untracked, deleted, a link, modes, empty directories, names, intent-to-add, flags, conversions, filters, omissions. */
export function dirty(root, name = 'dirty', format = 'sha1') {
  const repo = init(root, name, `--object-format=${format}`);
  git(repo, 'config', 'filter.up.clean', 'tr a-z A-Z');
  git(repo, 'config', 'filter.up.smudge', 'tr A-Z a-z');
  write(repo, '.gitattributes', '*.crlf text eol=crlf\n*.up filter=up\n');
  write(repo, '.gitignore', '*.log\nbuild/\n');
  for (const path of ['same', 'staged', 'unstaged', 'both', 'gone', 'removed', 'renamed', 'deep/er/file', 'mode', 'type', 'type2', 'assumed', 'skipped']) {
    write(repo, path, `${path}\n`);
  }
  write(repo, 'win.crlf', 'one\r\ntwo\r\n');
  write(repo, 'text.up', 'filtered\n');
  write(repo, 'big', 'line of a longer file\n'.repeat(3000));
  symlinkSync('same', join(repo, 'link'));
  commit(repo, 'first\n\nwith a body');
  for (const path of ['staged', 'both']) write(repo, path, 'changed\n');
  git(repo, 'add', 'staged', 'both');
  git(repo, 'rm', '-q', 'removed');
  git(repo, 'mv', 'renamed', 'new name');
  write(repo, 'added', 'added\n');
  git(repo, 'add', 'added');
  for (const path of ['unstaged', 'both']) write(repo, path, 'changed again\n');
  unlinkSync(join(repo, 'gone'));
  chmodSync(join(repo, 'mode'), 0o755);
  unlinkSync(join(repo, 'type'));
  symlinkSync('deep/er', join(repo, 'type'));
  unlinkSync(join(repo, 'type2'));
  symlinkSync('same', join(repo, 'type2'));
  git(repo, 'add', 'type2');
  git(repo, 'update-index', '--assume-unchanged', 'assumed');
  git(repo, 'update-index', '--skip-worktree', 'skipped');
  unlinkSync(join(repo, 'skipped'));
  write(repo, 'big', `${'line of a longer file\n'.repeat(3000)}and one more\n`);
  write(repo, 'intended', 'later\n');
  git(repo, 'add', '-N', 'intended');
  write(repo, 'intended and gone', 'later\n');
  git(repo, 'add', '-N', 'intended and gone');
  unlinkSync(join(repo, 'intended and gone'));
  write(repo, 'untracked', 'new\n');
  write(repo, 'dir/untracked', 'new\n');
  write(repo, 'ümlaut', 'utf-8\n');
  writeFileSync(Buffer.concat([Buffer.from(`${repo}/latin-`), Buffer.of(0xfc)]), 'latin-1\n');
  write(repo, 'back\\slash', 'x\n');
  write(repo, 'aux.txt', 'x\n');
  write(repo, 'x.log', 'ignored\n');
  write(repo, 'build/out', 'ignored\n');
  write(repo, '.env', 'SECRET=1\n');
  write(repo, 'a\\..', 'an unsafe name\n');
  write(repo, 'a\\...log', 'an ignored name\n');
  run('mkfifo', [join(repo, 'fifo')]);
  mkdirSync(join(repo, 'empty/inner'), { recursive: true });
  return repo;
}

export function conflicted(root, name = 'conflicted', operation = 'merge') {
  const repo = init(root, name);
  write(repo, 'file', 'one\ntwo\nthree\n');
  write(repo, 'deleted by us', 'x\n');
  write(repo, 'clean', 'x\n');
  commit(repo, 'base');
  git(repo, 'checkout', '-qb', 'other');
  write(repo, 'file', 'one\nzwei\nthree\n');
  write(repo, 'deleted by us', 'y\n');
  write(repo, 'both added', 'theirs\n');
  commit(repo, 'theirs');
  git(repo, 'checkout', '-q', 'main');
  write(repo, 'file', 'one\ndeux\nthree\n');
  git(repo, 'rm', '-q', 'deleted by us');
  write(repo, 'both added', 'ours\n');
  commit(repo, 'ours');
  run('git', operation === 'revert' ? ['revert', '--no-edit', 'main~1'] : [operation, 'other'], { cwd: repo, ok: false });
  return repo;
}

/** Submodules (clean, moved on, not initialised), and repositories that are none, with and without a commit. */
export function nested(root, name = 'nested') {
  const inner = small(root, `${name}-inner`, 'sha1', 2);
  const outer = small(root, name);
  for (const path of ['clean', 'moved', 'absent', 'deep/sub']) git(outer, 'submodule', '--quiet', 'add', inner, path);
  commit(outer, 'submodules');
  git(outer, 'submodule', '--quiet', 'deinit', '-f', 'absent');
  write(outer, 'moved/new', 'x\n');
  commit(join(outer, 'moved'), 'moved on');
  write(outer, 'moved/a.py', 'changed\n');
  write(outer, 'deep/sub/untracked', 'x\n');
  git(outer, 'init', '-q', 'own');
  write(outer, 'own/file', 'x\n');
  commit(join(outer, 'own'), 'own');
  write(outer, 'own/other', 'x\n');
  git(outer, 'init', '-q', 'unborn');
  write(outer, 'unborn/file', 'x\n');
  git(outer, 'init', '-q', 'own/inner');
  write(outer, 'own/inner/file', 'x\n');
  commit(join(outer, 'own/inner'), 'inner');
  return outer;
}

export async function snapshot(root, repo, name, ...args) {
  const out = join(root, name);
  await reference('snapshot', '--repo', repo, '-o', out, '-q', ...args);
  return out;
}

/** Checkpoints of the frameworks, into `root`; and with the container `jelly` as a tensor of bytes. */
export function checkpoints(root, container) {
  const script = `
import struct, sys, zipfile, numpy as np
root, container = sys.argv[1:]
np.savez(root + "/m.npz", a=np.arange(5), b=np.ones(3))
np.savez_compressed(root + "/c.npz", a=np.arange(500), b=np.ones(3))
open(root + "/m.bin", "wb").write(b"\\x01\\x02 raw weights" * 50)
open(root + "/m.gguf", "wb").write(b"GGUF" + struct.pack("<IQQ", 3, 0, 0))
with zipfile.ZipFile(root + "/m.zip", "w") as z: z.writestr("x/a.txt", "hello"); z.comment = b"a comment"
try:
    from safetensors.numpy import save_file
    save_file({"w": np.arange(10.0)}, root + "/m.safetensors", metadata={"format": "np"})
    save_file({"w": np.arange(10.0)}, root + "/n.safetensors")
    save_file({}, root + "/o.safetensors")
    import torch
    code = torch.frombuffer(bytearray(open(container, "rb").read()), dtype=torch.uint8)
    torch.save({"w": torch.arange(10.0)}, root + "/m.pt")
    torch.save({"w": torch.arange(10.0), "code": code}, root + "/tensor.pt")
    torch.save({"w": torch.arange(10.0)}, root + "/legacy.pt", _use_new_zipfile_serialization=False)
    torch.save({"w": torch.arange(10.0), "code": code}, root + "/legacy-tensor.pt", _use_new_zipfile_serialization=False)
except ImportError as error:
    print(error, file=sys.stderr)
try:
    import h5py
    with h5py.File(root + "/m.h5", "w") as file: file["w"] = np.arange(1000.0)
    import onnx
    from onnx import TensorProto, helper
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    onnx.save(helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ends[:1], ends[1:])), root + "/m.onnx")
except ImportError as error:
    print(error, file=sys.stderr)
`;
  run(PYTHON, ['-c', script, root, container]);
}

/** The central directory and end record written again by Python's zipfile, so that the locator is lost and the entry stays. */
export function repack(from, to, method) {
  run(PYTHON, ['-c', `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as a, zipfile.ZipFile(sys.argv[2], "w", int(sys.argv[3])) as b:
    for name in a.namelist(): b.writestr(name, a.read(name))
`, from, to, String(method)]);
}

/** A file with holes: [offset, bytes] of what is between them. */
export async function sparse(root, name, parts) {
  const path = join(root, name);
  const file = await open(path, 'w');
  for (const [offset, part] of parts) await file.write(part, 0, part.length, offset);
  await file.close();
  return path;
}

export const u64 = (...numbers) => concat(...numbers.map((n) => {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(n));
  return out;
}));

/** The locator (SPEC 14.1) of a container behind a host. */
export function trailerOf(container, hostLength, offset = hostLength) {
  const fields = u64(offset, container.length, hostLength);
  return concat(fields, sha256(concat(fields, container.subarray(0, 72))), END_MAGIC);
}

export { existsSync, readFileSync, join };
