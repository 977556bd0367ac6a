// Reader and verifier of jellyformat containers, alone or inside a host.
import { Container } from './container.js';
import { find } from './hosts/index.js';

export { Container, find };
export { HOSTS } from './hosts/index.js';
export { JellyError, Unsupported, CLASSES } from './errors.js';
export { Source, asSource, BytesSource, BlobSource, PartSource } from './source.js';

/**
 * Opens the container in a file: header and manifest are read and checked, no block.
 * @param input an ArrayBuffer, Uint8Array, Blob, File or Source: a `.jelly` file or a host
 * @param {string|null} kind one of HOSTS, where the file is to be read as that one; else its content says
 */
export async function open(input, kind = null) {
  const { host, form, source, whole } = await find(input, kind);
  const container = await Container.open(source, { whole });
  container.host = host;
  container.form = form;
  return container;
}
