// SPEC section 12: every fault has a class, and the id of the requirement that is broken.

/** The classes in the order of the table: within one step the earlier one is reported. */
export const CLASSES = Object.freeze([
  'malformed.magic', 'unsupported.version', 'malformed.header', 'truncated', 'limit.size', 'limit.count', 'limit.depth',
  'limit.window', 'limit.path', 'corrupt.manifest', 'corrupt.block', 'malformed.compression', 'malformed.msgpack',
  'malformed.manifest', 'unsupported.feature', 'unsupported.block', 'malformed.record', 'malformed.diff', 'missing.base',
  'malformed.object', 'malformed.duplicate', 'unsafe.path', 'missing.object', 'mismatch.state', 'mismatch.summary',
  'malformed.host', 'corrupt.locator', 'absent.snapshot', 'absent.file', 'refused.name', 'refused.host',
]);

export class JellyError extends Error {
  /**
   * @param {string} cls one of CLASSES
   * @param {string|null} requirement such as "JF-HDR-001"
   * @param {string} message
   */
  constructor(cls, requirement, message) {
    super(message);
    this.name = 'JellyError';
    this.class = cls;
    this.requirement = requirement;
  }
}

/** What this implementation does not do, although the format allows it. */
export class Unsupported extends Error {
  constructor(message) {
    super(message);
    this.name = 'Unsupported';
  }
}

export function fail(cls, requirement, message) {
  throw new JellyError(cls, requirement, message);
}

/** Run the checks of one step; of those that fail, the one whose class stands first in the table is thrown. */
export function step(...checks) {
  let first = null;
  for (const check of checks) {
    try {
      check();
    } catch (error) {
      if (!(error instanceof JellyError)) throw error;
      if (first === null || CLASSES.indexOf(error.class) < CLASSES.indexOf(first.class)) first = error;
    }
  }
  if (first) throw first;
}
