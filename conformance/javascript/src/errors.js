// SPEC section 12: every fault has a class, and the id of the requirement that is broken.

/** The classes, as the table has them. */
export const CLASSES = Object.freeze([
  'malformed.magic', 'unsupported.version', 'malformed.header', 'truncated', 'limit.size', 'limit.count', 'limit.depth',
  'limit.window', 'limit.path', 'corrupt.manifest', 'corrupt.block', 'malformed.compression', 'malformed.msgpack',
  'malformed.manifest', 'unsupported.feature', 'unsupported.block', 'malformed.record', 'malformed.diff', 'missing.base',
  'malformed.object', 'malformed.duplicate', 'unsafe.path', 'missing.object', 'mismatch.state', 'mismatch.summary',
  'mismatch.binding', 'malformed.host', 'corrupt.locator', 'absent.snapshot', 'absent.file', 'refused.name', 'refused.host',
  'refused.signed', 'system.io',
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
