/** Folders of DICOM files as images: found among the studies, turned into one volume file each when first used. */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, opendir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { convertSeries, filesIn, isDicomFile, volumeExtension } from "../dicom/files.js";
import type { FrameDecoder, PlannedVolume } from "../dicom/types.js";
import { nullIfAway } from "../durable.js";
import { badVolume } from "../imaging/volume.js";
import { type Log, silentLog } from "./log.js";
import { SeriesRoom } from "./series-room.js";

export interface SeriesFolderOptions {
  /** Where volumes are kept. */
  readonly cache: string;
  /** Most bytes of volumes; 20 GiB when not given. Those that are in use stay all the same. */
  readonly maxBytes?: number;
  /** Milliseconds for which a volume counts as in use after it was asked for; ten minutes when not given. */
  readonly leaseMs?: number;
  readonly log?: Log;
  readonly decoder?: FrameDecoder;
  readonly maxVoxels?: number;
  /** PET as SUV where the series says enough for it. */
  readonly suv?: boolean;
}

export interface SeriesVolumeFile {
  readonly path: string;
  readonly ext: string;
  readonly source: PlannedVolume;
}

/** How many files of a folder are looked at to tell whether it holds DICOM. */
const looks = 8;
const sourceName = "source.json";
const volumeName = `volume${volumeExtension}`;

export class SeriesFolders {
  readonly #options: SeriesFolderOptions;
  /** By path: what was found when the folder had this time. */
  readonly #known = new Map<string, { readonly stamp: string; readonly series: boolean }>();
  readonly #making = new Map<string, Promise<SeriesVolumeFile>>();
  readonly #room: SeriesRoom;

  constructor(options: SeriesFolderOptions) {
    this.#options = options;
    const { cache, maxBytes = 20 * 2 ** 30, leaseMs = 600_000, log = silentLog } = options;
    this.#room = new SeriesRoom(cache, { maxBytes, leaseMs, log });
  }

  /** Whether DICOM files lie in the folder itself. */
  async isSeries(folder: string): Promise<boolean> {
    const found = await stat(folder, { bigint: true }).catch(nullIfAway);
    if (!found?.isDirectory()) return false;
    const stamp = `${found.ino}.${found.mtimeNs}`;
    const known = this.#known.get(folder);
    if (known?.stamp === stamp) return known.series;
    const series = await holdsDicom(folder);
    this.#known.set(folder, { stamp, series });
    return series;
  }

  /**
   * The volume of the folder as it is now. Made once for each state of its files, by one of those who ask.
   * @throws LimnetError as readSeries
   */
  async volume(folder: string): Promise<SeriesVolumeFile> {
    const { files, home, state } = await this.#look(folder);
    const known = await this.#open(join(home, state));
    if (known) return known;
    const making = this.#making.get(`${home}/${state}`) ?? this.#make(files.map(({ path }) => path), home, state);
    this.#making.set(`${home}/${state}`, making);
    return making.finally(() => this.#making.delete(`${home}/${state}`));
  }

  /** The same where it is made already; else null, also where the folder cannot be read just now. */
  async known(folder: string): Promise<SeriesVolumeFile | null> {
    const looked = await this.#look(folder).catch(() => null);
    return looked && this.#open(join(looked.home, looked.state));
  }

  /** The files of the folder, and where the volume that they make belongs. */
  async #look(folder: string): Promise<{ files: Awaited<ReturnType<typeof filesIn>>; home: string; state: string }> {
    const files = await filesIn(folder).catch(() => {
      throw badVolume("The folder of the series cannot be read. Check that it is there and that the server may read it.");
    });
    const state = createHash("sha256").update(files.map(({ stamp }) => stamp).join("\n")).update(this.#options.suv ? "suv" : "").digest("hex");
    const home = join(this.#options.cache, createHash("sha256").update(basename(folder)).digest("hex").slice(0, 32));
    return { files, home, state };
  }

  /** A finished volume appears whole, by a rename; volumes of older states of the folder go as soon as nobody can be at work on them. */
  async #make(paths: readonly string[], home: string, state: string): Promise<SeriesVolumeFile> {
    await mkdir(home, { recursive: true });
    const temporary = join(home, `.${randomBytes(6).toString("hex")}`);
    await mkdir(temporary);
    try {
      const { decoder, maxVoxels, suv } = this.#options;
      const source = await convertSeries(paths, join(temporary, volumeName), { decoder, maxVoxels, suv });
      const { size: bytes } = await stat(join(temporary, volumeName));
      await writeFile(join(temporary, sourceName), JSON.stringify({ ...source, bytes }), { flush: true });
      // What a power cut left of an earlier one.
      if (!(await this.#open(join(home, state)))) await rm(join(home, state), { recursive: true, force: true });
      // Another server may have been faster: then its volume is taken.
      await rename(temporary, join(home, state)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
      });
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
    const made = await this.#open(join(home, state));
    await this.#room.tidy(join(home, state));
    if (!made) throw badVolume("The volume of the series was removed while it was made. Try again.");
    return made;
  }

  /** Null where it is not there, no longer, or not all of it. */
  async #open(folder: string): Promise<SeriesVolumeFile | null> {
    const path = join(folder, volumeName);
    // Used first, so that it is not removed while it is looked at.
    if (!(await this.#room.use(folder).then(() => true, () => false))) return null;
    const text = await readFile(join(folder, sourceName), "utf8").catch(nullIfAway);
    const size = (await stat(path).catch(nullIfAway))?.size;
    if (text === null || size === undefined) return null;
    try {
      const { bytes, ...source } = JSON.parse(text) as PlannedVolume & { bytes?: number };
      return bytes === undefined || bytes === size ? { path, ext: volumeExtension, source } : null;
    } catch {
      return null;
    }
  }
}

async function holdsDicom(folder: string): Promise<boolean> {
  let left = looks;
  try {
    for await (const entry of await opendir(folder)) {
      if (entry.name.startsWith(".") || entry.isDirectory()) continue;
      if (await isDicomFile(join(folder, entry.name))) return true;
      if (--left === 0) return false;
    }
  } catch (error) {
    // A folder that cannot be read holds nothing that could be shown.
    nullIfAway(error as NodeJS.ErrnoException);
  }
  return false;
}
