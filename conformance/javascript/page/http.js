// A container behind a URL, by ranges.
import { Source } from '../src/source.js';

/** What the server of `jelly view` answers; an error that says what to do where it does not. */
export async function ask(url, options = {}) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch {
    throw new Error('the server does not answer: does jelly view still run?');
  }
  if (answer.status === 410) throw new Error('the file is gone, or another one by now: nothing was changed; load the table again, or start jelly view again');
  if (!answer.ok) throw new Error(`the server answers ${answer.status}: does jelly view still run?`);
  return answer;
}

export class HttpSource extends Source {
  constructor(url, size) {
    super();
    this.url = url;
    this.size = size;
  }

  async slice(offset, length) {
    if (length === 0) return new Uint8Array();
    const answer = await ask(this.url, { headers: { Range: `bytes=${offset}-${offset + length - 1}` } });
    return new Uint8Array(await answer.arrayBuffer());
  }
}
