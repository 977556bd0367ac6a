// The logical content as JSON: bytes as {"hex": …}, integers of any size as digits.
import { hex } from './bytes.js';

export const flatMode = (mode) => mode.toString(8).padStart(6, '0');

export function json(value) {
  if (value instanceof Uint8Array) return `{"hex":"${hex(value)}"}`;
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return `[${value.map(json).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const entries = value instanceof Map ? [...value] : Object.entries(value);
    return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${json(inner)}`).join(',')}}`;
  }
  return JSON.stringify(value);
}
