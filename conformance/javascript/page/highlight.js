// Colours for text. The tokens become elements here: highlight.js writes markup, which this page never parses.
import hljs from 'highlight.js/lib/core';
import bash from 'highlight.js/lib/languages/bash';
import c from 'highlight.js/lib/languages/c';
import cpp from 'highlight.js/lib/languages/cpp';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import dockerfile from 'highlight.js/lib/languages/dockerfile';
import go from 'highlight.js/lib/languages/go';
import ini from 'highlight.js/lib/languages/ini';
import java from 'highlight.js/lib/languages/java';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import julia from 'highlight.js/lib/languages/julia';
import makefile from 'highlight.js/lib/languages/makefile';
import markdown from 'highlight.js/lib/languages/markdown';
import python from 'highlight.js/lib/languages/python';
import r from 'highlight.js/lib/languages/r';
import rust from 'highlight.js/lib/languages/rust';
import sql from 'highlight.js/lib/languages/sql';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';
import { el } from './dom.js';

const LANGUAGES = {
  bash, c, cpp, css, diff, dockerfile, go, ini, java, javascript, json, julia, makefile, markdown, python, r, rust, sql, typescript, xml, yaml,
};
for (const [name, language] of Object.entries(LANGUAGES)) hljs.registerLanguage(name, language);

const ENDINGS = {
  bash: 'sh bash zsh slurm sbatch env', c: 'c h', cpp: 'cc cpp cxx hh hpp cu cuh', css: 'css', diff: 'diff patch', go: 'go', ini: 'ini cfg toml conf lock gitconfig gitmodules editorconfig',
  java: 'java', javascript: 'js mjs cjs jsx', json: 'json jsonl ipynb', julia: 'jl', makefile: 'mk', markdown: 'md markdown', python: 'py pyi pyx',
  r: 'r', rust: 'rs', sql: 'sql', typescript: 'ts tsx', xml: 'xml html svg xhtml', yaml: 'yaml yml',
};
const BY_ENDING = new Map(Object.entries(ENDINGS).flatMap(([language, endings]) => endings.split(' ').map((ending) => [ending, language])));
const BY_NAME = new Map([['dockerfile', 'dockerfile'], ['makefile', 'makefile'], ['.bashrc', 'bash']]);

// Longer text, and lines that are data, take long and show nothing.
const MOST = 200_000;
const LONGEST_LINE = 4_000;

/** @param {string} path a binary string */
export function languageOf(path) {
  const base = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  return BY_NAME.get(base) ?? (base.includes('.') ? BY_ENDING.get(base.slice(base.lastIndexOf('.') + 1)) ?? null : null);
}

/** The language that the fence of a code block names, by its name or an ending. */
export const languageNamed = (name) => (Object.hasOwn(LANGUAGES, name) ? name : BY_ENDING.get(name) ?? null);

function nodes({ children }) {
  return children.map((child) => {
    if (typeof child === 'string') return child;
    const scope = child.scope ? child.scope.split('.').map((part) => part.replace(/[^a-z_-]/g, '')) : [];
    return el('span', { className: scope.map((part, i) => (i === 0 ? `t-${part}` : part)).join(' ') }, nodes(child));
  });
}

/** Nodes for the text. */
export function highlighted(text, language) {
  if (language === null || text.length > MOST || text.split('\n').some((line) => line.length > LONGEST_LINE)) return [text];
  try {
    return nodes(hljs.highlight(text, { language, ignoreIllegals: true })._emitter.rootNode);
  } catch {
    return [text];
  }
}
