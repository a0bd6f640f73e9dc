/** What every store says of something that it does not have. */
import { LimnetError } from "../errors.js";

/** The error for an id that no image has. */
export function unknownImage(id: string): LimnetError {
  return new LimnetError("unknown_image", `Image ${JSON.stringify(id.slice(0, 80))} NOT Found. GET /datastore/?output=all lists the images that are there.`);
}

/** The error for a label that is not there. */
export function unknownLabel(id: string, tag: string): LimnetError {
  return new LimnetError("unknown_label", `Label ${JSON.stringify(id.slice(0, 80))} NOT Found under tag ${JSON.stringify(tag.slice(0, 80))}.`);
}
