/** Makes the index say what the folder holds: entries without a file go, files without an entry come. */
import { dropLabel, freshEntry, freshImage, type Index, setLabel } from "./index-file.js";
import type { Log } from "./log.js";
import type { Scan } from "./scan.js";

/** Changes `index` in place, entry by entry with pauses; true where anything changed. */
export async function reconcile(index: Index, scan: Scan, log: Log): Promise<boolean> {
  let changed = await dropVanished(index, scan);
  // In the order of ids, so that the same folder gives the same index on every file system.
  for (const id of [...scan.images.found.keys()].filter((one) => !index.objects.has(one)).sort()) {
    index.objects.set(id, freshImage(id, scan.images.found.get(id)![0]));
    changed = true;
  }
  for (const [tag, { found }] of scan.labels) {
    let orphans = 0;
    for (const [id, [ext]] of found) {
      const entry = index.objects.get(id);
      if (!entry) orphans++;
      if (!entry || entry.labels.has(tag)) continue;
      setLabel(entry, tag, freshEntry(id, ext!));
      changed = true;
    }
    if (orphans > 0) log.warn(`${orphans} label file(s) under "${tag}" belong to no image and are ignored.`);
    await pause();
  }
  return changed;
}

const pause = () => new Promise(setImmediate);

async function dropVanished(index: Index, scan: Scan): Promise<boolean> {
  let changed = false;
  let seen = 0;
  for (const [id, entry] of index.objects) {
    if (++seen % 4096 === 0) await pause();
    if (!scan.images.has(id, entry.image.ext)) {
      // The same image may have come back in another container: what is known about it stays.
      const other = scan.images.found.get(id)?.[0];
      changed = true;
      if (other === undefined) {
        index.objects.delete(id);
        continue;
      }
      entry.image = { ...entry.image, ext: other, info: { ...entry.image.info, name: id + other } };
    }
    for (const [tag, label] of entry.labels) {
      if (scan.labels.get(tag)?.has(id, label.ext)) continue;
      dropLabel(entry, tag);
      changed = true;
    }
  }
  return changed;
}
