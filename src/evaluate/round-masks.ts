/** `--masks FOLDER`: the mask after each round as a file, with rounds.json: what a network can learn from that meets such masks in use. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Axis, Geometry, Shape } from "../imaging/geometry.js";
import { encodeMask } from "../imaging/mask.js";
import { CaseError } from "./cases.js";
import type { Round } from "./protocol.js";
import type { WayName } from "./ways.js";

/** What a mask was made of. */
export interface RoundsOf {
  /** Of the case. */
  readonly id: string;
  readonly label: number | "any";
  readonly way: WayName;
  /** That the slices lie across, of the voxel grid ijk. */
  readonly axis: Axis;
}

/** One line of rounds.json. */
interface RoundMask extends RoundsOf {
  /** From 1. */
  readonly round: number;
  /** That was clicked in this round; null where nothing was left to correct. */
  readonly slice: number | null;
  readonly dice: number;
  /** File name, in the same folder. */
  readonly mask: string;
}

/** The folder that masks after rounds go to; `write` may be called for one object after the other, not at once. */
export class RoundMasks {
  private readonly rows: RoundMask[] = [];

  private constructor(private readonly folder: string, private readonly index: string | null) {}

  /** Makes the folder. `index`: the file that lists the scans, null where none does. Throws CaseError where the folder cannot be made. */
  static async in(folder: string, index: string | null): Promise<RoundMasks> {
    await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
      throw new CaseError(`The folder ${folder} for the masks cannot be made.`, { cause });
    });
    return new RoundMasks(folder, index);
  }

  /** Writes the masks of all rounds of one object (on the grid of its scan) and rounds.json with all written so far. */
  async write(of: RoundsOf, rounds: readonly Round[], shape: Shape, geometry: Geometry): Promise<void> {
    const name = [of.id, of.label, of.way].join("_").replace(/[^A-Za-z0-9._-]+/g, "_");
    for (const [n, { mask, slice, dice }] of rounds.entries()) {
      const file = `${name}_${n + 1}.nii.gz`;
      await encodeMask(mask, shape, geometry, ".nii.gz", join(this.folder, file));
      this.rows.push({ ...of, round: n + 1, slice, dice, mask: file });
    }
    await writeFile(join(this.folder, "rounds.json"), `${JSON.stringify({ index: this.index, rounds: this.rows }, null, 1)}\n`);
  }
}
