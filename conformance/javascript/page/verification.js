// The reports: that of `jelly verify`, which looks at the host too, and this page's own.
import { card, el, facts, line, plural, table } from './dom.js';
import { explained } from './damage.js';
import { signed } from './overview.js';
import { commandLine, copied } from './shell.js';

const AT_ONCE = 64 * 1024 ** 2; // bytes of objects, and of a host whose weights are hashed

const rows = (checks) => checks.map(({ name, ok, detail }) => [ok === null ? el('span', { className: 'quiet' }, '\u2013') : ok ? '\u2713' : el('span', { className: 'bad' }, '\u2717'), line(name), line(detail)]);

/** What this page leaves to the command. */
function notHere({ said: { isBound, isBeside, signatures } }) {
  return [
    isBound ? { name: 'binding', ok: null, detail: 'the weights it was made for are not compared here: jelly verify does that' } : null,
    isBeside ? { name: 'sidecar', ok: null, detail: 'the file it lies beside is not compared here: jelly verify does that' } : null,
    signatures.length ? { name: 'signatures', ok: null, detail: signed(signatures) } : null,
  ].filter(Boolean);
}

function ownCard(snapshot, about, { checks, fault }) {
  if (fault) return card(null, el('h2', { className: 'bad' }, '\u2717 This container is damaged, or not as the format says'), explained(fault, about.file));
  const { container } = snapshot;
  return card(null, el('h2', { className: 'good' }, `\u2713 ${plural(checks.length, 'check')} of this page: all is right`),
    table('checks', null, rows([...checks.map((it) => ({ ...it, ok: true })), ...notHere(snapshot)])),
    facts([['Snapshot', el('code', { className: 'id' }, container.snapshotId)], ['Digest', el('code', { className: 'id' }, container.digest)]]));
}

function commandCard(snapshot, about, report) {
  const good = report.ok === true;
  const checks = Array.isArray(report.checks) ? report.checks : [];
  const other = typeof report.digest === 'string' && report.digest !== snapshot.container.digest;
  return card(null, el('h2', { className: good ? 'good' : 'bad' }, good ? `\u2713 ${plural(checks.length, 'check')} of jelly verify: all is right` : '\u2717 jelly verify found a fault'),
    other ? el('p', { className: 'bad' }, 'The file has another snapshot by now than this page shows.') : null,
    table('checks', null, rows(checks)),
    report.error ? explained(report.error, about.file) : null);
}

/** {nodes, badge}: the panel, and the word at the top of the page; `about.report` asks the command, where there is a server. */
export function verification(snapshot, about) {
  const { container, manifest, said } = snapshot;
  const badge = el('a', { className: 'badge', href: about.verifyAt }, 'not verified');
  const [own, command] = [el('div', {}), el('div', {})];
  const state = { own: null, command: null };
  const say = () => {
    const found = [state.own, state.command].filter((it) => it !== null);
    badge.className = found.includes(false) ? 'badge bad' : found.length ? 'badge good' : 'badge';
    badge.textContent = found.includes(false) ? '\u2717 damaged' : found.length ? '\u2713 verified' : 'not verified';
    document.body.dataset.ready = '';
  };
  const wait = async (holder, text) => {
    holder.replaceChildren(el('p', { className: 'quiet' }, text));
    await new Promise((done) => { setTimeout(done); });
  };
  const runOwn = async () => {
    await wait(own, 'Verifying \u2026');
    const found = { checks: null, fault: null };
    try {
      found.checks = await container.verify();
    } catch (error) {
      found.fault = error;
    }
    state.own = found.fault === null;
    own.replaceChildren(ownCard(snapshot, about, found));
    say();
  };
  const runCommand = async () => {
    await wait(command, 'jelly verify runs \u2026');
    try {
      const report = await about.report();
      state.command = report.ok === true;
      command.replaceChildren(commandCard(snapshot, about, report));
    } catch (error) {
      command.replaceChildren(el('p', { className: 'bad' }, line(String(error.message))));
    }
    say();
  };
  const button = (text, run) => el('p', {}, el('button', { className: 'plain', onclick: run }, text));
  const isLarge = manifest.blocks.reduce((sum, block) => sum + Number(block.rawLength), 0) > AT_ONCE;
  const readsHost = (said.isBound || said.isBeside) && (about.size === null || about.size > AT_ONCE);
  const work = async () => {
    if (isLarge) own.replaceChildren(button('Verify all of it (it is large)', runOwn));
    else await runOwn();
    if (about.report === null) command.replaceChildren(el('p', { className: 'quiet' }, 'The file around it is checked by:'), copied(commandLine('verify', about.file)));
    else if (isLarge || readsHost) command.replaceChildren(button(readsHost ? 'Run jelly verify (it reads the whole file)' : 'Run jelly verify', runCommand));
    else await runCommand();
    say();
  };
  if (snapshot.fault) { // that much is known already
    state.own = false;
    say();
  }
  work();
  return { badge: el('span', { role: 'status' }, badge), nodes: [command, own, el('p', { className: 'quiet' }, 'This tells damage, not who made it: whoever can rewrite the file can rewrite the digest. Compare it with one that came another way.')] };
}
