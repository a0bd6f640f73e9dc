/** Which scans and which outlines belong together. */
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";

export interface Case {
  readonly id: string;
  /** "" where there is no index. */
  readonly dataset: string;
  /** "image": a picture (PNG, JPEG) instead of a volume. */
  readonly kind: "volume" | "image";
  /** What is drawn together for intervals: the patient where the index names one. */
  readonly group: string;
  readonly image: string;
  readonly label: string;
}

/** Cases that cannot be found or paired; the message says what to do. */
export class CaseError extends Error {}

const volumeFile = /^(?<id>.+?)(?<role>_image|_label)?\.(?:nii\.gz|nii|nrrd|mha)$/i;

async function volumes(folder: string, role: "image" | "label", mixed: boolean): Promise<Map<string, string>> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new CaseError(`The folder ${folder} cannot be read. Give --images and --labels as folders of volumes.`, { cause });
  });
  const found = new Map<string, string>();
  for (const name of names.sort()) {
    const parts = volumeFile.exec(name)?.groups;
    if (!parts) continue;
    const other = role === "image" ? "_label" : "_image";
    const own = parts.role?.toLowerCase();
    if (own === other || (mixed && own !== `_${role}`)) continue;
    found.set(parts.id, join(folder, name));
  }
  return found;
}

/**
 * Pairs the volumes of two folders by id: the file name without extension, `_image` and `_label`. One folder may be both; then
 * its names must carry these suffixes. Images without a label are left out.
 */
export async function casesOfFolders(images: string, labels: string): Promise<Case[]> {
  const mixed = resolve(images) === resolve(labels);
  const [scans, outlines] = [await volumes(images, "image", mixed), await volumes(labels, "label", mixed)];
  const cases = [...scans].flatMap(([id, image]) => {
    const label = outlines.get(id);
    return label === undefined ? [] : [{ id, dataset: "", kind: "volume" as const, group: id, image, label }];
  });
  if (cases.length > 0) return cases;
  throw new CaseError(`No scan in ${images} has a label of the same name in ${labels}. Names are compared without extension, _image and _label.`);
}

const index = z.object({
  entries: z.array(z.object({
    id: z.string(), dataset: z.string(), split: z.string().nullish(), kind: z.string(),
    image: z.string().nullish(), label: z.string().nullish(), case: z.string().nullish(), patient: z.string().nullish(),
  })),
});

/** Cases of an index file: what it holds of these kinds with a label, of one split and of some data sets ("" or [] = all). Paths are relative to it. */
export async function casesOfIndex(file: string, split: string, datasets: readonly string[], kinds: readonly Case["kind"][] = ["volume"]): Promise<Case[]> {
  const parsed = index.safeParse(await readFile(file, "utf8").then(JSON.parse).catch((cause: unknown) => {
    throw new CaseError(`The index ${file} cannot be read as JSON.`, { cause });
  }));
  if (!parsed.success) throw new CaseError(`The index ${file} is not as expected: ${parsed.error.issues[0].path.join(".")}: ${parsed.error.issues[0].message}.`);
  const cases = parsed.data.entries
    .filter((e) => kinds.some((kind) => kind === e.kind) && e.image && e.label && (split === "" || e.split === split) && (datasets.length === 0 || datasets.includes(e.dataset)))
    .map((e) => ({
      id: e.id, dataset: e.dataset, kind: e.kind as Case["kind"], group: `${e.dataset}/${e.patient ?? e.case ?? e.id}`,
      image: join(dirname(file), e.image!), label: join(dirname(file), e.label!),
    }));
  if (cases.length > 0) return cases;
  const known = [...new Set(parsed.data.entries.map((e) => e.dataset))].join(", ");
  throw new CaseError(`The index has no labelled ${kinds.join(" or ")} for split "${split}" and data sets "${datasets.join(", ")}". It knows: ${known}.`);
}

/** Objects smaller than this are left out of "each": a few stray voxels are no task. */
const smallest = 30;

/** Label values to work on, each with its mask. "any": all non-zero values as one object; "each": one object a value; else one value. */
export function objectsOf(voxels: ArrayLike<number>, wanted: "any" | "each" | number): { value: number | "any"; truth: Uint8Array }[] {
  const counts = new Map<number, number>();
  for (let i = 0; i < voxels.length; i++) if (voxels[i] !== 0) counts.set(voxels[i], (counts.get(voxels[i]) ?? 0) + 1);
  const maskOf = (test: (v: number) => boolean) => Uint8Array.from(voxels, (v) => (test(v) ? 1 : 0));
  if (wanted === "any") return counts.size === 0 ? [] : [{ value: "any", truth: maskOf((v) => v !== 0) }];
  const values = wanted === "each"
    ? [...counts].filter(([, count]) => count >= smallest).map(([value]) => value).sort((a, b) => a - b)
    : [wanted].filter((value) => counts.has(value));
  return values.map((value) => ({ value, truth: maskOf((v) => v === value) }));
}
