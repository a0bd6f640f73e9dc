/** What is asked of a whole folder again and again. */
import type { DatastoreStats } from "./datastore.js";
import type { Index } from "./index-file.js";
import { finalTag, imageExtensions, isOneOf, seriesFolderExtension } from "./names.js";

/** Of one state of an index. */
export interface Overview {
  readonly index: Index;
  readonly version: number;
  /** Sorted. */
  readonly ids: readonly string[];
  readonly stats: DatastoreStats;
}

export function overviewOf(index: Index, version: number): Overview {
  return { version, index, ids: readableIds(index), stats: count(index) };
}

/** Only what this server can read: an older index may also name photographs or slides. */
function readableIds(index: Index): string[] {
  const ids: string[] = [];
  for (const [id, { image }] of index.objects) if (isOneOf(image.ext, imageExtensions) || image.ext === seriesFolderExtension) ids.push(id);
  return ids.sort();
}

function count(index: Index): DatastoreStats {
  const tags = new Map<string, number>();
  for (const entry of index.objects.values()) {
    for (const tag of entry.labels.keys()) tags.set(tag, (tags.get(tag) ?? 0) + 1);
  }
  return { total: index.objects.size, completed: tags.get(finalTag) ?? 0, label_tags: Object.fromEntries(tags) };
}
