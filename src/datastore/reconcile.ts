/** Makes the index say what the folder holds: entries without a file go, files without an entry come. */
import { dropLabel, freshEntry, freshImage, type Index, setLabel } from "./index-file.js";
import type { Log } from "./log.js";
import type { Scan } from "./scan.js";

/** Changes `index` in place; true where anything changed. */
export function reconcile(index: Index, scan: Scan, log: Log): boolean {
  let changed = dropVanished(index, scan);
  // In the order of ids, so that the same folder gives the same index on every file system.
  for (const id of [...scan.images.keys()].filter((one) => !index.objects.has(one)).sort()) {
    index.objects.set(id, freshImage(id, scan.images.get(id)![0]!));
    changed = true;
  }
  for (const [tag, found] of scan.labels) {
    const orphans = [...found.keys()].filter((id) => !index.objects.has(id));
    if (orphans.length > 0) log.warn(`${orphans.length} label file(s) under "${tag}" belong to no image and are ignored.`);
    for (const [id, [ext]] of found) {
      const entry = index.objects.get(id);
      if (!entry || entry.labels.has(tag)) continue;
      setLabel(entry, tag, freshEntry(id, ext!));
      changed = true;
    }
  }
  return changed;
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
      dropLabel(entry, tag);
      changed = true;
    }
  }
  return changed;
}
