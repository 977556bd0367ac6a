// A file behind a URL, by ranges.
import { Source } from '../src/source.js';

export class HttpSource extends Source {
  /** Null where there is nothing. */
  static async open(url) {
    const answer = await fetch(url, { method: 'HEAD' });
    const size = Number(answer.headers.get('content-length'));
    if (!answer.ok || answer.headers.get('accept-ranges') !== 'bytes') return null;
    const named = /filename\*=UTF-8''([^;]*)/.exec(answer.headers.get('content-disposition') ?? '');
    return new HttpSource(url, size, named ? decodeURIComponent(named[1]) : url);
  }

  constructor(url, size, name) {
    super();
    this.url = url;
    this.size = size;
    this.name = name;
  }

  async slice(offset, length) {
    if (length === 0) return new Uint8Array();
    const answer = await fetch(this.url, { headers: { Range: `bytes=${offset}-${offset + length - 1}` } });
    if (answer.status !== 206) throw new Error(`the server answers ${answer.status}: does jellyformat view still run?`);
    return new Uint8Array(await answer.arrayBuffer());
  }
}
