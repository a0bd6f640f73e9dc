/** The robot user at the engine itself: the same rounds from the same states as a server runs, without the wire. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { groupRounds, roundKeys } from "../apps/limnet/rounds/plan.js";
import type { Engine, LimnetSettings, RoundRequest, RoundResult } from "../engine/protocol.js";
import { writeState } from "../engine/state.js";
import { pixelToVoxel, readSlice, voxelToPixel, writeSlice } from "../imaging/slices.js";
import type { Axis, Shape } from "../imaging/geometry.js";
import type { Answer, Draws, Interact, PlacedClick } from "./interact.js";

const inflate = promisify(gunzip);

export interface EngineTask {
  readonly volumePath: string;
  readonly volumeDigest: string;
  readonly axis: Axis;
  /** Grid of the volume. */
  readonly shape: Shape;
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

function answerOf(round: RoundResult, mask: Uint8Array): Answer {
  return {
    mask,
    seconds: { click: round.clickSeconds, propagate: round.propagateSeconds, fuse: round.fuseSeconds },
    kept: round.slices.filter(({ winner }) => winner === "previous").length,
    propagated: round.propagated,
  };
}

export class EngineInteract implements Interact, Draws {
  /** Finished rounds by name (roundKeys): equal clicks need not be run again. */
  readonly #states = new Map<string, { path: string; result: RoundResult }>();
  #model = "";
  #looks = 0;
  /** Result of the outlines before. */
  #drawn: Uint8Array | null = null;

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
    return answerOf(results[results.length - 1], await readState(outputs[outputs.length - 1]));
  }

  /**
   * Outlines are prompts as clicked slices are: they stand in the state, and a round without clicks takes its slice as it is. In the
   * first round there is nothing to fuse with.
   */
  async draw(truth: Uint8Array, slices: readonly number[]): Promise<Answer> {
    const { axis, shape, volumePath, volumeDigest, truthPath, folder, settings } = this.task;
    const state = this.#drawn?.map((v) => (v ? 255 : 0)) ?? new Uint8Array(truth.length);
    for (const slice of slices) writeSlice(state, shape, axis, slice, readSlice(truth, shape, axis, slice).map((v) => (v ? 255 : 0)));
    const [fusedPath, output] = [join(folder, "outlines.gz"), join(folder, "drawn.gz")];
    await writeState(fusedPath, state);
    const rounds = slices.map((slice): RoundRequest => ({ slice, clicks: [], drawn: true }));
    const { rounds: results, model } = await this.engine.segment({
      volumePath, volumeDigest, axis, truthPath,
      state: { fusedPath, rounds: rounds.slice(0, -1) },
      rounds: rounds.slice(-1),
      outputs: [output],
      settings: { ...settings, fusion: slices.length === 1 ? "none" : settings.fusion },
    });
    this.#model = model;
    this.#drawn = await readState(output);
    return answerOf(results[0], this.#drawn);
  }
}
