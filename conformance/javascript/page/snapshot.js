// What the page shows, from a container: files, changes, the commit.
import { allStates } from '../src/manifest.js';
import { flatTrees } from '../src/summary.js';
import { LINK, SUBMODULE, flatBudget } from '../src/objects.js';
import { binary, hex, hexOf, utf8 } from '../src/bytes.js';
import { claims } from '../src/signatures.js';

const nothing = () => ({ entries: new Map(), directories: new Set(), whole: true });

export class Snapshot {
  /** Of a container whose files cannot be read what the manifest says; `fault` tells why. */
  static async open(container) {
    const states = [...allStates(container.manifest.state)];
    try {
      const objects = await container.loadBlocks((block) => block.kind === 'state');
      const budget = flatBudget(container.bounds);
      return new Snapshot(container, objects, states.map((it) => ({ ...it, trees: flatTrees(objects, it.state, it.full, budget) })), null);
    } catch (fault) {
      return new Snapshot(container, new Map(), states.map((it) => ({ ...it, trees: { head: nothing(), index: nothing(), worktree: nothing() } })), fault);
    }
  }

  constructor(container, objects, states, fault) {
    this.container = container;
    this.fault = fault;
    this.manifest = container.manifest;
    this.objects = objects;
    this.states = states;
    /** Whether trees are not in the container. */
    this.partial = states.some(({ trees }) => Object.values(trees).some(({ whole }) => !whole));
    this.head = this.#all(() => 'head');
    this.index = this.#all(() => 'index');
    this.worktree = this.#all(() => 'worktree');
    this.files = this.#all((state) => (state.worktree === null ? 'head' : 'worktree'));
  }

  #all(nameOf) {
    const out = new Map();
    for (const { state, full, trees } of this.states) {
      for (const [path, entry] of trees[nameOf(state)].entries) if (!out.has(full + path)) out.set(full + path, entry);
    }
    return new Map([...out].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Of each state the list `name` of its part, with whole paths. */
  #lists(part, name) {
    return this.states.flatMap(({ state, full }) => (state[part]?.[name] ?? []).map((it) => (typeof it === 'string' ? full + it : { ...it, path: full + it.path })));
  }

  get omitted() {
    return this.#lists('worktree', 'omitted');
  }

  /** Staged contents that are not in the container. */
  get stagedOmitted() {
    return this.#lists('index', 'omitted');
  }

  get converted() {
    return this.#lists('worktree', 'converted');
  }

  get filtered() {
    return this.#lists('worktree', 'filtered');
  }

  get emptyDirectories() {
    return this.#lists('worktree', 'emptyDirectories');
  }

  /** The bytes of an entry; null where they are not in the container; of a submodule its commit. */
  bytes(entry) {
    if (entry === undefined) return new Uint8Array();
    if (entry.mode === SUBMODULE) return new TextEncoder().encode(`commit ${hexOf(entry.oid)}\n`);
    if (!this.objects.has(entry.oid)) return null;
    const content = this.objects.content(entry.oid);
    return entry.mode === LINK ? new TextEncoder().encode(`link to ${utf8(content) ?? binary(content)}`) : content;
  }

  size(entry) {
    return this.objects.get(entry.oid)?.size ?? null;
  }

  /** How many changes are not committed, as the commands count them. */
  get uncommitted() {
    const { staged, unstaged, untracked, conflicted } = this.manifest.summary;
    return staged.length + unstaged.length + untracked.length + conflicted.length;
  }

  /** What somebody says of the checkpoint: {labels: [[name, value]], note, run, edited, signatures}; what is not as SPEC has it is left out. */
  get said() {
    const { extensions } = this.manifest;
    const [labels, note, run, edited] = ['labels', 'note', 'run', 'edited'].map((key) => extensions.get(key));
    const isMap = (it) => it instanceof Map;
    return {
      labels: isMap(labels) ? [...labels].filter(([, value]) => typeof value === 'string') : [],
      note: typeof note === 'string' ? note : null,
      run: isMap(run) && run.get('id') instanceof Uint8Array ? { id: hex(run.get('id')), sequence: String(run.get('sequence')) } : null,
      edited: Array.isArray(edited) ? edited.filter((it) => it instanceof Uint8Array) : [],
      signatures: claims(this.container),
      isBound: extensions.has('binding'),
      isBeside: extensions.has('sidecar'),
    };
  }

  /** path → what is uncommitted about it. */
  get marks() {
    const { summary } = this.manifest;
    const out = new Map();
    const add = (path, mark) => out.set(path, [...(out.get(path) ?? []), mark]);
    for (const { letter, path } of summary.staged) add(path, { letter, what: 'staged' });
    for (const { letter, path } of summary.unstaged) add(path, { letter, what: 'unstaged' });
    for (const path of summary.untracked) add(path, { letter: '?', what: 'untracked' });
    for (const path of summary.conflicted) add(path, { letter: 'U', what: 'conflicted' });
    return new Map([...out].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** The HEAD commit's own lines; null where there is none. */
  get commit() {
    const { commit } = this.manifest.summary;
    if (commit === null) return null;
    const text = utf8(commit) ?? binary(commit);
    const end = text.indexOf('\n\n');
    const head = end < 0 ? text : text.slice(0, end);
    const person = (key) => {
      const [, who, seconds, zone] = head.match(new RegExp(`^${key} (.*?) (\\d{1,15}) ([+-]\\d{4})$`, 'm')) ?? [];
      if (who === undefined) return null;
      return { who, seconds: Number(seconds), zone: (zone[0] === '-' ? -1 : 1) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3))) };
    };
    const message = end < 0 ? '' : text.slice(end + 2);
    const [subject, ...rest] = message.split('\n');
    return { author: person('author'), committer: person('committer'), subject, body: rest.join('\n').trim(), signed: /^gpgsig/m.test(head) };
  }
}
