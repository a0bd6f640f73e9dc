/** Makes the index say what the folder holds: entries without a file go, files without an entry come. */
import type { FileEntry, Index } from "./index-file.js";
import type { Log } from "./log.js";
import type { Scan } from "./scan.js";

/** Changes `index` in place; true where anything changed. */
export function reconcile(index: Index, scan: Scan, log: Log): boolean {
  let changed = dropVanished(index, scan);
  for (const [id, [ext]] of scan.images) {
    if (index.objects.has(id)) continue;
    index.objects.set(id, { image: freshEntry(id, ext!), labels: new Map(), rest: {} });
    changed = true;
  }
  for (const [tag, found] of scan.labels) {
    const orphans = [...found.keys()].filter((id) => !index.objects.has(id));
    if (orphans.length > 0) log.warn(`${orphans.length} label file(s) under "${tag}" belong to no image and are ignored.`);
    for (const [id, [ext]] of found) {
      const entry = index.objects.get(id);
      if (!entry || entry.labels.has(tag)) continue;
      entry.labels.set(tag, freshEntry(id, ext!));
      changed = true;
    }
  }
  return changed;
}

/** Entry of a file that was found, as MONAI Label fills it. */
export function freshEntry(id: string, ext: string): FileEntry {
  return { ext, info: { ts: Math.floor(Date.now() / 1000), name: id + ext }, rest: {} };
}

function dropVanished(index: Index, scan: Scan): boolean {
  let changed = false;
  const there = (folder: string, id: string, ext: string) => scan.names.get(folder)?.has(id + ext) ?? false;
  for (const [id, entry] of index.objects) {
    if (!there("", id, entry.image.ext)) {
      // The same image may have come back in another container: what is known about it stays.
      const other = scan.images.get(id)?.[0];
      changed = true;
      if (other === undefined) {
        index.objects.delete(id);
        continue;
      }
      entry.image = { ...entry.image, ext: other, info: { ...entry.image.info, name: id + other } };
    }
    for (const [tag, label] of entry.labels) {
      if (there(tag, id, label.ext)) continue;
      entry.labels.delete(tag);
      changed = true;
    }
  }
  return changed;
}
