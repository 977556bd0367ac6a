// What Node alone has: files.
export * from './index.js';
export { FileSource, checkTie, withPath } from './files.js';
