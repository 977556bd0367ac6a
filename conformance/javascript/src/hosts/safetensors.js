// SPEC section 14.4.
import { fail } from '../errors.js';
import { equal, utf8, view } from '../bytes.js';
import { MAGIC } from '../header.js';
import { BytesSource, PartSource } from '../source.js';

const NAME = 'jellyformat';
const METADATA = '__metadata__';
const bad = (requirement, message) => fail('malformed.host', requirement, message);

const SPACE = /[ \t\n\r]*/y;
const SCALAR = /[^,\]}[{" \t\n\r]+/y;

/** The members of a JSON object in the order they stand, also those that stand twice: [key, text of the value]. `text` is valid JSON. */
function members(text) {
  const out = [];
  let at = 0;
  const skip = (pattern) => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    at += match ? match[0].length : 0;
    return match?.[0];
  };
  const skipValue = () => {
    let depth = 0;
    do {
      skip(SPACE);
      const c = text[at];
      if (c === '{' || c === '[') { depth += 1; at += 1; } else if (c === '}' || c === ']') { depth -= 1; at += 1; } else if (c === '"') skipString();
      else if (c === ',' || c === ':') at += 1;
      else skip(SCALAR);
    } while (depth > 0);
  };
  const skipString = () => {
    const from = at;
    for (at += 1; text[at] !== '"'; at += 1) if (text[at] === '\\') at += 1;
    at += 1;
    return text.slice(from, at);
  };
  skip(SPACE);
  at += 1; // {
  for (;;) {
    skip(SPACE);
    if (text[at] === '}') return out;
    if (text[at] === ',') { at += 1; continue; }
    const key = JSON.parse(skipString());
    skip(SPACE);
    at += 1; // :
    skip(SPACE);
    const from = at;
    skipValue();
    out.push([key, text.slice(from, at)]);
  }
}

function only(list, name) {
  const found = list.filter(([key]) => key === name);
  if (found.length > 1) bad('JF-SFT-001', `the header has the member ${name} twice`);
  return found.length === 0 ? null : found[0][1];
}

/** RFC 4648, section 4, canonical. */
function base64(text) {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) bad('JF-SFT-002', 'base64 with other characters, or without its padding');
  let string;
  try {
    string = atob(text);
  } catch {
    bad('JF-SFT-002', 'not base64');
  }
  if (btoa(string) !== text) bad('JF-SFT-002', 'base64 with bits set that do not count');
  const out = new Uint8Array(string.length);
  for (let i = 0; i < out.length; i++) out[i] = string.charCodeAt(i);
  return out;
}

/** Of the text of a tensor's member; null where it is not one of bytes in the data. */
function tensorPlace(text, dataLength) {
  if (!text.startsWith('{')) return null;
  const list = members(text);
  const value = new Map(list);
  if (list.length !== 3 || value.size !== 3 || !['dtype', 'shape', 'data_offsets'].every((key) => value.has(key))) return null;
  const counts = (array) => (/^\[[-\d\s,]*\]$/.test(array) ? JSON.parse(array) : []);
  const [shape, offsets] = [counts(value.get('shape')), counts(value.get('data_offsets'))];
  if (JSON.parse(value.get('dtype')) !== 'U8' || shape.length !== 1 || offsets.length !== 2) return null;
  const [begin, end] = offsets;
  return begin >= 0 && end >= begin && end - begin === shape[0] && end <= dataLength ? { begin, size: shape[0] } : null;
}

export async function findInSafetensors(source) {
  const length = Number(view(await source.read(0, 8)).getBigUint64(0, true));
  const text = utf8(await source.read(8, length));
  if (text === null) bad('JF-SFT-001', 'the header is not UTF-8');
  try {
    JSON.parse(text);
  } catch {
    bad('JF-SFT-001', 'the header is not JSON');
  }
  const header = members(text);
  const metadata = only(header, METADATA);
  const tensor = only(header, NAME);
  if (metadata !== null && !metadata.startsWith('{')) bad('JF-SFT-001', `${METADATA} is no object`);
  const inner = metadata === null ? null : only(members(metadata), NAME);
  if (inner !== null) {
    if (tensor !== null) bad('JF-SFT-001', `${NAME} in ${METADATA} and as a tensor`);
    const value = JSON.parse(inner);
    if (typeof value !== 'string') bad('JF-SFT-001', `${NAME} in ${METADATA} is no string`);
    const data = base64(value.replace(/[~!]+$/, ''));
    if (!/[~!]$/.test(value) && !equal(data.subarray(0, MAGIC.length), MAGIC)) bad('JF-SFT-001', `${NAME} in ${METADATA} is somebody else's`);
    return { form: 'metadata', source: new BytesSource(data), whole: true };
  }
  if (tensor === null) return null;
  const place = tensorPlace(tensor, source.size - 8 - length);
  if (place === null) bad('JF-SFT-001', `the tensor ${NAME} is not a container's`);
  return { form: 'tensor', source: new PartSource(source, 8 + length + place.begin, place.size), whole: false };
}
