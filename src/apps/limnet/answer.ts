/** From the state of an object to what the client gets: the mask, its file, the JSON beside it (protocol 2.2, 2.3). */
import { randomUUID } from "node:crypto";
import path from "node:path";
import { readBits } from "../../engine/mask-bits.js";
import type { Geometry, Shape } from "../../imaging/geometry.js";
import type { InferResult } from "../app.js";
import { bitsFile, resultFile } from "../result-file.js";
import type { AnswerCache } from "./answer-cache.js";
import type { ObjectState } from "./object-request.js";
import type { MaskRequest } from "./params.js";
import { outOfPart, type Part, renumbered } from "./part.js";
import { readMask } from "./read-mask.js";
import { heldAfter, roundsOf } from "./rounds/program.js";

export interface AnswerOptions {
  readonly wanted: MaskRequest;
  readonly grid: { readonly shape: Shape; readonly geometry: Geometry };
  /** The state is of one slice of the grid only. */
  readonly part?: Part;
  readonly tempDir: string;
  /** Files of the answers before. */
  readonly answers?: AnswerCache;
  /** performance.now() when the request came. */
  readonly start: number;
}

/** The file of a state, and performance.now() when reading began, when writing began, and when it was there. */
interface Made {
  readonly file: InferResult["file"];
  readonly times: readonly [number, number, number];
}

/** The answer to one request: the mask of a state in the wanted container, and what was decided. */
export class Answer {
  readonly #options: AnswerOptions;
  #begun: { readonly fusedPath: string | null; readonly made: Promise<Made> } | null = null;

  constructor(options: AnswerOptions) {
    this.#options = options;
  }

  /**
   * Begins with the file while the state and the journal are still being written. `of` comes after that, and waits for the file. `early`:
   * nothing but the packed mask is there yet, and whatever comes of it counts only when `of` asks for that state.
   */
  begin(fusedPath: string | null, early = false): void {
    if (this.#begun?.fusedPath === fusedPath) return;
    const made = this.#make(fusedPath, early);
    // Where the journal fails first, nobody asks for the file any more.
    made.catch(() => undefined);
    this.#begun = { fusedPath, made };
  }

  /** `axis`: across which the answer counts slices. */
  async of(state: ObjectState, axis: number): Promise<InferResult> {
    const { wanted, part, start, answers } = this.#options;
    const { fusedPath } = state;
    const advanced = performance.now();
    const begun = this.#begun?.fusedPath === fusedPath ? this.#begun.made.catch(() => this.#make(fusedPath)) : this.#make(fusedPath);
    const { file, times: [from, read, written] } = await begun;
    if (file && fusedPath !== null && !part) answers?.set(this.#name(fusedPath), file);
    const seconds = {
      pre: (Math.min(from, advanced) - start) / 1000 - state.engineSeconds, infer: state.engineSeconds, post: (read - from) / 1000,
      write: (written - read) / 1000, total: (performance.now() - start) / 1000,
    };
    const json = resultJson(wanted.label, axis, state, seconds);
    return { file, json: part ? renumbered(json, part) : json };
  }

  /** Tells all that the file of a state depends on. */
  #name(fusedPath: string | null): string {
    const { label, extension, dtype, compress } = this.#options.wanted;
    return JSON.stringify([fusedPath, label, extension, dtype, compress]);
  }

  async #make(fusedPath: string | null, early = false): Promise<Made> {
    const { wanted: { writeFile, label, extension, dtype, compress }, grid, part, tempDir, answers } = this.#options;
    const from = performance.now();
    if (!writeFile) return { file: null, times: [from, from, from] };
    const parts = early ? undefined : answers?.get(this.#name(fusedPath));
    if (parts) return { file: { path: path.join(tempDir, `${randomUUID()}${extension}`), ext: extension, parts }, times: [from, from, from] };
    const options = { dtype, compress, segNrrd: [{ name: label, value: 1 }] };
    const [nx, ny, nz] = grid.shape;
    // Of the bits as they are, where the container lets their voxels follow one another: the mask is never in memory as a whole.
    const bits = part || fusedPath === null ? null : await readBits(fusedPath, nx * ny * nz);
    const unpacked = performance.now();
    const direct = bits && bitsFile(bits, grid, extension, tempDir, options);
    if (direct) return { file: direct, times: [from, unpacked, performance.now()] };
    const mask = part ? outOfPart(await readMask(fusedPath, [nx, ny, 1], early), grid.shape, part) : await readMask(fusedPath, grid.shape, early);
    const read = performance.now();
    const file = await resultFile(mask, grid, extension, tempDir, options);
    return { file, times: [from, read, performance.now()] };
  }
}

/** Seconds, as clients of MONAI Label know them. */
interface Latencies {
  readonly pre: number;
  readonly infer: number;
  readonly post: number;
  readonly write: number;
  readonly total: number;
}

const rounded = (value: number, digits: number) => Math.round(value * 10 ** digits) / 10 ** digits;

/** The result JSON. The key `limnet` is our own: which slices of the last round were kept from the round before, and how sure that is. */
function resultJson(label: string, axis: number, { step, history, ran }: ObjectState, seconds: Latencies): Record<string, unknown> {
  const ops = step?.ops ?? [];
  const rounds = roundsOf(ops);
  const keys = (step?.keys ?? []).filter((_, n) => ops[n].op === "round");
  const last = history.records.get(keys.at(-1) ?? "");
  const { pre, infer, post, write, total } = seconds;
  return {
    label_names: [label],
    latencies: {
      pre: rounded(pre, 2), infer: rounded(infer, 2), invert: 0, post: rounded(post, 2), write: rounded(write, 2), total: rounded(total, 2), transform: null,
    },
    centroids: {},
    limnet: {
      /** Number of the last round, from 1; 0 without clicks. */
      round: rounds.length,
      slice: rounds.at(-1)?.slice ?? null,
      axis,
      rounds: rounds.map(({ slice, clicks }, n) => {
        const record = history.records.get(keys[n]);
        return {
          slice, clicks: clicks.length, run: ran.has(keys[n]),
          seconds: record ? rounded(record.seconds, 3) : null, propagated: record?.propagated ?? null,
        };
      }),
      slices: last?.slices.map((decision) => ({ ...decision, probability: rounded(decision.probability, 4) })) ?? [],
      locked: heldAfter(ops),
      /** How many steps can be undone and redone (POST /limnet/v1/undo and redo). */
      undo: history.head,
      redo: history.steps.length - history.head,
      model: last?.model ?? history.model,
    },
  };
}
