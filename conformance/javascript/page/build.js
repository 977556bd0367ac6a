// Makes the page that `jellyformat view` shows: one file, nothing loaded from elsewhere.
//   node page/build.js          writes ../../jellyformat/exports/view.html
//   node page/build.js --check  fails where that file is not what would be written
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const OUT = at('../../../jellyformat/exports/view.html');
const LIMIT = 500_000;
const BUNDLED = { '@noble/hashes': 'LICENSE', diff: 'LICENSE', 'highlight.js': 'LICENSE', marked: 'LICENSE', 'xxhash-wasm': 'LICENSE.md', zstddec: 'LICENSE' };

const bundle = async (entry) => {
  const { outputFiles } = await build({
    entryPoints: [at(entry)], bundle: true, minify: true, write: false, format: 'esm', target: 'es2022', charset: 'ascii', legalComments: 'none',
  });
  return outputFiles[0].text.trim();
};

const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

// In an element these would not be what they are in a string or regular expression.
const script = (await bundle('main.js')).replace(/<(?=!--|script|\/script)/gi, '\\x3c');
const style = await bundle('style.css');
// 'wasm-unsafe-eval' lets libzstd, which is in the script, be compiled; data: is where its package loads it from. Neither runs script.
// 'self' is for the file to show. Trusted types: no text whatever becomes markup.
const policy = [
  "default-src 'none'", `script-src ${hash(script)} 'wasm-unsafe-eval'`, `style-src ${hash(style)}`, "connect-src 'self' data:",
  "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'",
].join('; ');
const licenses = Object.entries(BUNDLED).map(([name, file]) => `${name}\n\n${readFileSync(at(`../node_modules/${name}/${file}`), 'utf8').trim()}`)
  .join('\n\n----\n\n').replaceAll('--', '==');
const zstd = readFileSync(at('../node_modules/zstddec/src/zstddec.ts'), 'utf8').match(/\/\*\*\n \* BSD License[\s\S]*?\*\//)[0];

const parts = { CSP: policy, STYLE: style, SCRIPT: script, LICENSES: `${licenses}\n\n==\n\n${zstd}` };
const page = readFileSync(at('template.html'), 'utf8').replace(/@(CSP|STYLE|SCRIPT|LICENSES)@/g, (_, name) => parts[name]);
if (/<\/style|<!--/i.test(style)) throw new Error('the bundle would end its own element');
if (page.length > LIMIT) throw new Error(`the page has ${page.length} bytes, over ${LIMIT}`);

if (process.argv.includes('--check')) {
  if (readFileSync(OUT, 'utf8') !== page) {
    console.error('jellyformat/exports/view.html is not what conformance/javascript/page makes: npm run page');
    process.exitCode = 1;
  }
} else {
  writeFileSync(OUT, page);
  console.log(`${OUT}: ${page.length} bytes`);
}
