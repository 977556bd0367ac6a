// What the server of `jelly view` has: one checkpoint, or many.
import { HttpSource, ask } from './http.js';

const asked = async (url) => (await ask(url)).json();

/** What there is; null where the page is a file of its own. */
export const listing = () => (location.protocol === 'http:' ? asked('checkpoints').catch(() => null) : null);

/** {source, about} of a checkpoint by its number; throws the error of the command where it cannot be read. */
export async function checkpoint(number) {
  const about = await asked(`${number}/about`);
  if (about.error) throw about.error;
  const source = new HttpSource(`${number}/container`, about.container_bytes);
  return { source, about: { ...about, report: () => asked(`${number}/report`) } };
}
