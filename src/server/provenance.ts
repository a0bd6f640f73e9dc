/** How a saved label came about, beside the label. */
import type { ServerContext } from "./context.js";
import { finalTag } from "../datastore/names.js";

/**
 * Writes it where the app knows and the store has a place. A label that is saved stays saved: what goes wrong here is logged, and the
 * work then does not count as approved, so that its journal stays.
 */
export async function keepProvenance({ app, datastore, log }: ServerContext, { id, tag, user, everyone }: { id: string; tag: string; user: string; everyone?: boolean }): Promise<void> {
  if (!app.objects || !datastore.saveProvenance) return;
  try {
    const image = await datastore.image(id);
    if (!image) return;
    const source = { id, path: image.path, ext: image.ext, digest: await datastore.imageDigest(id) };
    await app.objects.submit({ image: source, user, tag, everyone, approved: tag === finalTag }, (document) => datastore.saveProvenance!(id, tag, document));
  } catch (error) {
    log.warn("The provenance of a label could not be kept", { error: (error as Error).message });
  }
}
