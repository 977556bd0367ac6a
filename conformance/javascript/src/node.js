// What Node alone has: files.
import { open } from 'node:fs/promises';
import { Source } from './source.js';

export * from './index.js';

export class FileSource extends Source {
  static async open(path) {
    const handle = await open(path, 'r');
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) throw Object.assign(new Error(`${path} is no regular file`), { code: 'EINVAL' });
      return new FileSource(handle, stat.size);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  constructor(handle, size) {
    super();
    this.handle = handle;
    this.size = size;
    this.reads = 0;
    this.bytesRead = 0;
  }

  async slice(offset, length) {
    const out = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.handle.read(out, done, length - done, offset + done);
      this.reads += 1;
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    this.bytesRead += done;
    return out.subarray(0, done);
  }

  close() {
    return this.handle.close();
  }
}
