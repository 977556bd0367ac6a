// Commands to copy: what is pasted is what is shown, whatever the files are called.
import { el } from './dom.js';

const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;
// What a shell or a terminal would take for more than a letter, or nobody could see; and halves of pairs, which are bytes in Python's names.
const STRANGE = /[\x00-\x1f\x7f-\xa0\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]/;

/** A word for a POSIX shell. Text as Python has it: a byte that is no UTF-8 is U+DC80 to U+DCFF. */
export function quoted(text) {
  if (PLAIN.test(text)) return text;
  const isPair = text.replace(/[\ud800-\udbff][\udc00-\udfff]/g, '');
  if (!STRANGE.test(isPair)) return `'${text.replaceAll("'", "'\\''")}'`;
  let out = '';
  for (const c of text) {
    const code = c.codePointAt(0);
    if (code >= 0xdc80 && code <= 0xdcff) out += `\\x${(code - 0xdc00).toString(16)}`;
    else if (c.length === 1 && STRANGE.test(c)) out += [...new TextEncoder().encode(c)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
    else out += c === "'" || c === '\\' ? `\\${c}` : c;
  }
  return `$'${out}'`;
}

/** A binary string (a path of git) as Python has it. */
export function asPython(path) {
  const bytes = Uint8Array.from(path, (c) => c.charCodeAt(0));
  let out = '';
  for (let at = 0; at < bytes.length;) {
    const length = bytes[at] < 0x80 ? 1 : bytes[at] >= 0xf0 ? 4 : bytes[at] >= 0xe0 ? 3 : bytes[at] >= 0xc2 ? 2 : 0;
    let text = null;
    try {
      text = length && at + length <= bytes.length ? new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(at, at + length)) : null;
    } catch {
      text = null;
    }
    out += text ?? String.fromCharCode(0xdc00 + bytes[at]);
    at += text === null ? 1 : length;
  }
  return out;
}

const notOption = (file) => (file.startsWith('-') ? `./${file}` : file);

/** A command line: the words as they are, `files` after them so that none is taken for an option. */
export const commandLine = (name, file, ...more) => ['jelly', name, ...(more.some((it) => it.startsWith('-')) ? ['--'] : []), quoted(notOption(file)), ...more.map(quoted)].join(' ');

/** Checks signatures by a file of those who are trusted, which only the reader has. */
export const verifyCommand = (file) => `jelly verify --signers SIGNERS ${quoted(notOption(file))}`;

/** A command with a button that copies it. */
export function copied(text, label = 'Copy') {
  const code = el('code', { className: 'command' }, text);
  return el('div', { className: 'copied' }, code, copyButton(() => text, label, () => getSelection().selectAllChildren(code)));
}

/** A button that copies what `text` gives. */
export function copyButton(text, label, otherwise = () => {}) {
  const button = el('button', { className: 'plain', onclick: async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = 'Copied';
    } catch {
      otherwise();
      button.textContent = 'Press Ctrl-C';
    }
    setTimeout(() => { button.textContent = label; }, 2_000);
  } }, label);
  return button;
}
