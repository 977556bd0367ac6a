// A fault in words: what it means, what is left, what to do.
import { el, facts, line } from './dom.js';
import { commandLine, copied } from './shell.js';

const CUT = 'The end of the file is missing, as after a download or copy that was broken off.';
const BITS = 'Bytes were changed since it was written: a fault of a disk or a transfer, or somebody edited the file.';
const WRONG = 'The bytes are as they were written, but what they say is not as the format has it: a faulty program wrote them, or they were made up.';
const NEWER = 'A newer version of jellyformat wrote it.';
const LARGE = 'It asks for more than any reader has to give: a faulty program wrote it, or somebody wants to use up memory.';

const MEANINGS = [
  [/^truncated/, CUT], [/^corrupt/, BITS], [/^limit/, LARGE], [/^unsupported/, NEWER], [/^malformed\.(?:magic|host)/, 'The file around the snapshot is not as files of its kind are.'],
  [/^mismatch\.binding/, 'The snapshot itself is sound, but this is not the file, or these are not the weights, that it was made for.'],
  [/^unsafe/, 'A path in it could reach outside of the directory it is written to. Nothing is ever written there.'],
  [/^absent\.snapshot/, 'The file carries no snapshot.'], [/^absent/, 'The file is not there any more.'], [/^(?:malformed|mismatch|missing)/, WRONG],
];

const mended = (cls) => /^(?:truncated|corrupt)/.test(cls);

/** What a fault means, in a sentence; null where that is not known. */
export const meaning = (cls) => MEANINGS.find(([known]) => known.test(cls ?? ''))?.[1] ?? null;

/** An element that tells of a fault; `file` is the name that commands take. */
export function explained(fault, file = null) {
  const cls = typeof fault.class === 'string' ? fault.class : null;
  return el('div', { className: 'fault', role: 'alert' },
    el('strong', {}, cls ?? 'The file could not be read'),
    meaning(cls) ? el('p', {}, meaning(cls)) : null,
    facts([['Found', line(String(fault.message))], ['Requirement', fault.requirement ? `${line(fault.requirement)} in SPEC.md` : null], ['Hint', fault.hint ? line(fault.hint) : null]]),
    file !== null && mended(cls ?? '') ? el('div', {}, el('p', {}, 'The model\u2019s own bytes are not part of the snapshot, and nothing was changed. Compare with another copy of the file; where an embed was broken off, this mends it:'),
      copied(commandLine('fix', file))) : null);
}

/** For a table: a class and what was found, on one line. */
export const inBrief = (fault) => `${fault.class ? `${line(String(fault.class))}: ` : ''}${line(String(fault.message))}`;
