/** The robot user at the engine itself: the same rounds from the same states as a server runs, without the wire. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { groupRounds, roundKeys } from "../apps/limnet/rounds/plan.js";
import type { Engine, LimnetSettings, RoundRequest, RoundResult } from "../engine/protocol.js";
import type { Axis } from "../imaging/geometry.js";
import { pixelToVoxel, voxelToPixel } from "../imaging/slices.js";
import type { Answer, Interact, PlacedClick } from "./interact.js";

const inflate = promisify(gunzip);

export interface EngineTask {
  readonly volumePath: string;
  readonly volumeDigest: string;
  readonly axis: Axis;
  readonly settings: LimnetSettings;
  /** Label volume with nothing but the object, for oracle fusion. */
  readonly truthPath?: string;
  /** Receives the states; its owner deletes it. */
  readonly folder: string;
}

/** Mask of a state file: gzip, a byte a voxel, object where >= 128. */
async function readState(path: string): Promise<Uint8Array> {
  return (await inflate(await readFile(path))).map((v) => (v >= 128 ? 1 : 0));
}

export class EngineInteract implements Interact {
  /** Finished rounds by name (roundKeys): equal clicks need not be run again. */
  readonly #states = new Map<string, { path: string; result: RoundResult }>();
  #model = "";
  #looks = 0;

  constructor(private readonly engine: Engine, private readonly task: EngineTask) {}

  /** Digest of the networks that answered; "" before the first answer. */
  get model(): string {
    return this.#model;
  }

  async segment(clicks: readonly PlacedClick[], { propagate }: { readonly propagate: boolean }): Promise<Answer> {
    const { axis, volumePath, volumeDigest, truthPath, folder, settings } = this.task;
    const grouped = groupRounds(clicks.map((click) => ({ voxel: pixelToVoxel(click.slice, click, axis), positive: click.positive })), axis);
    const keys = roundKeys(grouped);
    const rounds: RoundRequest[] = grouped.map((round) => ({
      slice: round.slice,
      clicks: round.clicks.map(({ voxel, positive }) => {
        const { row, col } = voxelToPixel(voxel, axis);
        return { row, col, positive };
      }),
    }));
    const keep = keys.findLastIndex((key) => this.#states.has(key)) + 1;
    const name = (key: string) => join(folder, propagate ? `${key}.gz` : `look-${++this.#looks}.gz`);
    const outputs = keys.slice(keep).map(name);
    const { rounds: results, model } = await this.engine.segment({
      volumePath, volumeDigest, axis, truthPath,
      state: { fusedPath: keep > 0 ? this.#states.get(keys[keep - 1])!.path : null, rounds: rounds.slice(0, keep) },
      rounds: rounds.slice(keep),
      outputs,
      settings: { ...settings, propagate },
    });
    this.#model = model;
    results.forEach((result, n) => {
      if (propagate) this.#states.set(keys[keep + n], { path: outputs[n], result });
    });
    const last = results[results.length - 1];
    return {
      mask: await readState(outputs[outputs.length - 1]),
      seconds: { click: last.clickSeconds, propagate: last.propagateSeconds, fuse: last.fuseSeconds },
      kept: last.slices.filter(({ winner }) => winner === "previous").length,
      propagated: last.propagated,
    };
  }
}
