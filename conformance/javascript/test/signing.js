// Containers of which only the manifest's extensions are changed: the blocks, and what the manifest says of them, stay.
import { Container } from '../src/container.js';
import { concat } from '../src/bytes.js';
import { withPath } from '../src/node.js';
import { copy, frame, pack, seal } from './writer.js';

/** The container in a file with other extensions: `edit` changes the Map of them. */
export async function reopen(file, edit) {
  const { value, rest } = await withPath(file, async (container) => {
    const { header, manifest } = container;
    const begin = 72 + header.manifestLength;
    return { value: copy(manifest.value), rest: (await container.bytes()).slice(begin) };
  });
  edit(value.get('extensions'));
  const manifestRaw = pack(value);
  const totalLength = 72 + frame(manifestRaw).length + rest.length;
  return Container.open(concat(seal({ manifest: value, blocks: [] }, { manifestRaw, totalLength }), rest));
}

/** The first signature in a file, in its binary form. */
export const signatureOf = (file) => withPath(file, (container) => container.manifest.extensions.get('signatures')[0].get('signature').slice());
