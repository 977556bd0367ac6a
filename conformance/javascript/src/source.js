// Random access to bytes, a slice at a time: nothing here reads a whole checkpoint.
import { fail } from './errors.js';

class Source {
  /** @returns {Promise<Uint8Array>} exactly `length` bytes from `offset` */
  async read(offset, length) {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      fail('truncated', 'JF-HDR-004', `bytes ${offset} to ${offset + length} are not in these ${this.size} bytes`);
    }
    const bytes = await this.slice(offset, length);
    if (bytes.length !== length) fail('truncated', 'JF-HDR-004', `only ${bytes.length} of ${length} bytes at ${offset} could be read`);
    return bytes;
  }

  /** As `read`, but what lies behind the end is left out. */
  async peek(offset, length) {
    const start = Math.min(offset, this.size);
    return this.read(start, Math.min(length, this.size - start));
  }
}

export class BytesSource extends Source {
  constructor(bytes) {
    super();
    this.bytes = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
    this.size = this.bytes.length;
  }

  async slice(offset, length) {
    return this.bytes.subarray(offset, offset + length);
  }
}

/** A Blob or File of a browser. */
export class BlobSource extends Source {
  constructor(blob) {
    super();
    this.blob = blob;
    this.size = blob.size;
  }

  async slice(offset, length) {
    return new Uint8Array(await this.blob.slice(offset, offset + length).arrayBuffer());
  }
}

export class PartSource extends Source {
  constructor(source, offset, size) {
    super();
    this.source = source;
    this.offset = offset;
    this.size = size;
  }

  async slice(offset, length) {
    return this.source.read(this.offset + offset, length);
  }
}

export { Source };

/** An ArrayBuffer, Uint8Array, Blob, File or Source. */
export function asSource(input) {
  if (input instanceof Source) return input;
  if (input instanceof ArrayBuffer || input instanceof Uint8Array) return new BytesSource(input);
  if (typeof Blob !== 'undefined' && input instanceof Blob) return new BlobSource(input);
  throw new TypeError('not a source of bytes: an ArrayBuffer, Uint8Array, Blob, File or Source is wanted');
}
