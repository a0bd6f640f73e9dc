/** From the state of an object to what the client gets: the mask, its file, the JSON beside it (protocol 2.2, 2.3). */
import { randomUUID } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { LimnetError } from "../../errors.js";
import type { Geometry, Shape } from "../../imaging/geometry.js";
import { encodeMask } from "../../imaging/mask.js";
import type { InferResult } from "../app.js";
import { maskFrom } from "./fusion/pairs.js";
import type { ObjectState } from "./object.js";
import type { MaskRequest } from "./params.js";
import { heldAfter, roundsOf } from "./rounds/program.js";

/** Voxels between two pauses, so that the thread that serves HTTP is never held for long. */
const chunk = 1 << 22;

/** The mask, 0 and 1, grid of the image, i fastest; `fusedPath`: stored probabilities (uint8, gzip), null for an empty mask. */
export async function readMask(fusedPath: string | null, shape: Shape): Promise<Uint8Array> {
  const length = shape[0] * shape[1] * shape[2];
  if (fusedPath === null) return new Uint8Array(length);
  const mask = await promisify(gunzip)(await readFile(fusedPath), { maxOutputLength: length });
  if (mask.length !== length) throw new LimnetError("engine_failed", "The result does not fit the image. Click once more; if it happens again, start a new label.");
  for (let start = 0; start < length; start += chunk) {
    const end = Math.min(length, start + chunk);
    for (let i = start; i < end; i++) mask[i] = mask[i] >= maskFrom ? 1 : 0;
    if (end < length) await new Promise(setImmediate);
  }
  return mask;
}

export interface AnswerOptions {
  readonly wanted: MaskRequest;
  readonly grid: { readonly shape: Shape; readonly geometry: Geometry };
  readonly axis: number;
  readonly tempDir: string;
  /** performance.now() when the request came. */
  readonly start: number;
}

/** Writes the mask of a state into the wanted container, and says what was decided. */
export async function answerOf(state: ObjectState, { wanted, grid, axis, tempDir, start }: AnswerOptions): Promise<InferResult> {
  const advanced = performance.now();
  const mask = await readMask(state.fusedPath, grid.shape);
  const read = performance.now();
  let file: InferResult["file"] = null;
  if (wanted.writeFile) {
    const { label, extension, dtype, compress } = wanted;
    await mkdir(tempDir, { recursive: true });
    file = { path: path.join(tempDir, `${randomUUID()}${extension}`), ext: extension };
    await encodeMask(mask, grid.shape, grid.geometry, extension, file.path, { dtype, compress, segNrrd: [{ name: label, value: 1 }] });
  }
  const end = performance.now();
  const seconds = {
    pre: (advanced - start) / 1000 - state.engineSeconds, infer: state.engineSeconds, post: (read - advanced) / 1000,
    write: (end - read) / 1000, total: (end - start) / 1000,
  };
  return { file, json: resultJson(wanted.label, axis, state, seconds) };
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
