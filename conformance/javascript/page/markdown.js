// Markdown as elements. The parser gives tokens, never markup: HTML in the text is shown as text, links lead to files of
// the snapshot or, as they stand, to http, https and mailto; pictures are drawn only from the snapshot.
import { Lexer } from 'marked';
import { el, line, visible } from './dom.js';
import { highlighted, languageNamed } from './highlight.js';

const MOST = 100_000;
// The parser takes time that grows with a power of what stands in one paragraph, and with the depth of what is nested.
const MOST_INLINE = 4_000;
const MOST_MS = 1_000;
const TOO_DEEP = /^(?:[ \t]*(?:>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t]))){40}|^[ \t]{120}[ \t]*(?:[-*+>]|\d)/m;
const DEEPEST = 40;
const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '\u00a9', hellip: '\u2026', mdash: '\u2014', ndash: '\u2013', times: '\u00d7', rarr: '\u2192', larr: '\u2190' };
const SAFE = /^(?:https?:\/\/|mailto:)/i;

class Bounded extends Lexer {
  lex(source) {
    this.blockTokens(source.replace(/\r\n|\r/g, '\n'), this.tokens);
    const until = performance.now() + MOST_MS;
    for (const { src, tokens } of this.inlineQueue) {
      if (src.length <= MOST_INLINE && performance.now() < until) this.inlineTokens(src, tokens);
      else tokens.push({ type: 'plain', raw: src });
    }
    return this.tokens;
  }
}

const decoded = (text) => text.replace(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z]{2,8}));/g, (whole, decimal, hexadecimal, named) => {
  if (named) return Object.hasOwn(ENTITIES, named) ? ENTITIES[named] : whole;
  const number = decimal ? Number(decimal) : parseInt(hexadecimal, 16);
  return number > 0 && number <= 0x10ffff && (number < 0xd800 || number > 0xdfff) ? String.fromCodePoint(number) : '\ufffd';
});

const text = (value) => visible(decoded(value));

/** The path that a link means, from the directory of the file that has it; null where it leaves the snapshot. */
export function resolved(href, from) {
  const [path] = href.split(/[?#]/, 1);
  if (path === '' || /^[a-z][a-z0-9+.-]*:/i.test(path) || path.startsWith('//')) return null;
  let found;
  try {
    found = decodeURIComponent(path);
  } catch {
    return null;
  }
  const parts = found.startsWith('/') ? [] : from.split('/').slice(0, -1);
  for (const part of found.split('/')) {
    if (part === '..') {
      if (parts.length === 0) return null;
      parts.pop();
    } else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

function link({ href, tokens }, context) {
  const inner = inline(tokens, context);
  const place = context.linkTo(href);
  if (place !== null) return el('a', { href: place }, inner);
  if (!SAFE.test(href)) return el('span', { title: line(href) }, inner);
  return el('a', { href, title: line(href), rel: 'noopener noreferrer nofollow', target: '_blank' }, inner);
}

function inline(tokens, context) {
  if (context.depth > DEEPEST) return [visible(tokens.map(({ raw }) => raw).join(''))];
  const below = { ...context, depth: context.depth + 1 };
  return (tokens ?? []).map((token) => {
    switch (token.type) {
      case 'strong': return el('strong', {}, inline(token.tokens, below));
      case 'em': return el('em', {}, inline(token.tokens, below));
      case 'del': return el('del', {}, inline(token.tokens, below));
      case 'codespan': return el('code', {}, text(token.text));
      case 'br': return el('br');
      case 'link': return link(token, below);
      case 'image': return context.picture(token.href, decoded(token.text)) ?? el('span', { className: 'quiet', title: line(token.href) }, `[picture: ${line(decoded(token.text) || token.href)}]`);
      case 'escape': return visible(token.text);
      case 'text': return token.tokens ? inline(token.tokens, below) : text(token.text);
      default: return visible(token.raw);
    }
  });
}

const heading = (depth, ...content) => el(`h${Math.min(6, depth + 2)}`, { className: `level-${depth}` }, ...content);

function item(token, context) {
  const box = token.task ? [el('input', { type: 'checkbox', checked: Boolean(token.checked), disabled: true, 'aria-label': 'done' }), ' '] : [];
  return el('li', {}, box, blocks(token.tokens, context));
}

function tabled({ header, rows, align }, context) {
  const cells = (list, tag) => el('tr', {}, list.map((cell, i) => el(tag, { className: align[i] ? `to-${align[i]}` : '' }, inline(cell.tokens, context))));
  return el('div', { className: 'scrolled' }, el('table', {}, el('thead', {}, cells(header, 'th')), el('tbody', {}, rows.map((row) => cells(row, 'td')))));
}

function blocks(tokens, context) {
  if (context.depth > DEEPEST) return [visible(tokens.map(({ raw }) => raw).join(''))];
  const below = { ...context, depth: context.depth + 1 };
  return tokens.map((token) => {
    switch (token.type) {
      case 'space': case 'def': return null;
      case 'heading': return heading(token.depth, inline(token.tokens, below));
      case 'paragraph': return el('p', {}, inline(token.tokens, below));
      case 'blockquote': return el('blockquote', {}, blocks(token.tokens, below));
      case 'list': return el(token.ordered ? 'ol' : 'ul', token.ordered && Number.isSafeInteger(token.start) ? { start: token.start } : {}, token.items.map((it) => item(it, below)));
      case 'code': return el('pre', {}, el('code', {}, highlighted(visible(token.text), languageNamed((token.lang ?? '').split(/\s/)[0].toLowerCase()))));
      case 'hr': return el('hr');
      case 'table': return tabled(token, below);
      case 'html': return el('pre', { className: 'html', title: 'HTML is shown as text' }, el('code', {}, visible(token.raw.trimEnd())));
      case 'text': return token.tokens ? el('span', {}, inline(token.tokens, below)) : text(token.text);
      case 'checkbox': return null;
      default: return visible(token.raw);
    }
  });
}

/**
 * Elements for Markdown, or null where it is too long or too strange to be shown as more than its text.
 * @param {{linkTo: (href: string) => string|null, picture: (href: string, text: string) => Node|null}} context
 *   where a link into the snapshot leads, and the picture of a file in it; null where it is none
 */
export function markdown(source, context) {
  if (source.length > MOST || TOO_DEEP.test(source)) return null;
  try {
    return el('div', { className: 'markdown' }, blocks(new Bounded({ gfm: true }).lex(source), { ...context, depth: 0 }));
  } catch {
    return null;
  }
}
