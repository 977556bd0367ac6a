// A container whose every name and text wants to be script.
import { ascii, concat } from '../src/bytes.js';
import { bare, map, oid, sealRight, tree } from './writer.js';

export const MARKUP = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>';
const NAMES = [
  '<img src=x onerror=window.hit=1>.py', '"><svg onload=window.hit=1>.html', "'-window.hit=1-'.js", 'javascript:window.hit=1',
  '\u202egpj.exe', 'new\nline', 'esc\u001b[31m', '__proto__', 'constructor', 'toString', '-->', '${window.hit=1}', '{{7*7}}', '%3Cscript%3E', ' ', 'a'.repeat(255), '\u200bhidden', 'nul\\x00',
];
// Below a directory `<`, so that the path ends an element.
const INNER = ['script><script>window.hit=1<!--.md', 'style><style>body{display:none}'];
const CONTENTS = [
  MARKUP, `<!--${MARKUP}-->`, `"""${MARKUP}"""`, `# ${MARKUP}\n[x](javascript:window.hit=1)`, `{"a": "${'</script>'}<script>window.hit=1</script>"}`, `\u202e${MARKUP}`, '\u001b]0;x\u0007', '\uffff\ufffe', `${MARKUP}\n`.repeat(500), 'x'.repeat(300_000),
];

/** The container's bytes. */
export async function hostile() {
  const names = [...NAMES].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const files = names.map((name, i) => ['100644', name, ascii(CONTENTS[i % CONTENTS.length])]);
  files.push(['120000', '~link', ascii('javascript:window.hit=1')], ['100644', Uint8Array.of(0x7f, 0xff, 0x3c, 0x62, 0x3e), Uint8Array.of(0xff, 0x3c, 0x73, 0x63, 0x72, 0x69, 0x70, 0x74, 0x3e)], ['100644', concat(Uint8Array.of(0xff), ascii('.bin')), Uint8Array.of(0, 1, 2, 3)]);
  const inner = tree(...INNER.map((name) => ['100644', name, oid(3, ascii(MARKUP))]));
  const model = bare(files);
  const { manifest, blocks } = model;
  const [{ records }] = blocks;
  const whole = tree(...[...files.map(([mode, name, content]) => [mode, name, oid(3, content)]), ['40000', '<', oid(2, inner)]]
    .sort(([, a], [, b]) => Buffer.compare(Buffer.from(a === '<' ? '</' : a), Buffer.from(b === '<' ? '</' : b))));
  records.splice(records.findIndex(([kind]) => kind === 2), 1, [2, inner], [2, whole]);
  const before = tree(['100644', files[0][1], oid(3, ascii('as it was\n'))]);
  const commit = ascii(`tree ${Buffer.from(oid(2, before)).toString('hex')}\nauthor ${MARKUP} <x@y> 1700000000 +0000\ncommitter ${MARKUP} <x@y> 99999999999999 +9959\n\n${MARKUP}\n\n${MARKUP}\u202e\n`);
  records.push([3, ascii('as it was\n')], [2, before], [1, commit]);
  const state = manifest.get('state');
  state.get('worktree').set('tree', oid(2, whole));
  state.set('head', map({ commit: oid(1, commit), ref: ascii('refs/heads/<img/src=x/onerror=window.hit=1>') }));
  state.set('operation', map({ kind: 'rebase', heads: [], message: ascii(MARKUP) }));
  state.get('worktree').set('omitted', [map({ path: ascii('../<script>window.hit=1</script>'), reason: 'name', sha256: new Uint8Array(32), size: (1n << 64n) - 1n })]);
  state.get('index').set('omitted', [map({ path: ascii('<svg onload=window.hit=1>'), reason: 'com.example.x', sha256: null, size: null })]);
  state.set('facts', map({ [MARKUP]: MARKUP }));
  const none = { assume_unchanged: [], conflicts: [], intent_to_add: [], omitted: [], skip_worktree: [] };
  state.set('roots', [map({ name: ascii('<b onclick=window.hit=1>'), state: map({
    ...Object.fromEntries(state), facts: map({}), head: map({ commit: null, ref: ascii('refs/heads/x') }), index: map({ ...none, tree: oid(2, new Uint8Array()) }), operation: null, roots: [], worktree: null,
  }) })]);
  manifest.get('summary').set('commit', commit);
  manifest.set('ignored', [ascii('<svg onload=window.hit=1>/')]);
  manifest.set('environment', map({ [MARKUP]: MARKUP, packages: [[MARKUP, MARKUP, 'javascript:window.hit=1'], ['n', '1', null]], nested: map({ x: [ascii(MARKUP), null, -1, true] }), language: ['a', MARKUP] }));
  manifest.set('extensions', map({ 'com.example.x': MARKUP, labels: map({ [MARKUP]: MARKUP }), note: MARKUP, signatures: [map({ format: 'sshsig', signature: new Uint8Array(8) }), map({ format: '<svg onload=window.hit=1>\u202e', signature: new Uint8Array(8) })] }));
  manifest.set('provenance', map({ argv: [ascii(MARKUP)], remotes: [[ascii(MARKUP), ascii('javascript:window.hit=1')]], time: (1n << 64n) - 1n, tool: MARKUP, zone: -1440, captured: MARKUP }));
  return sealRight(model);
}
