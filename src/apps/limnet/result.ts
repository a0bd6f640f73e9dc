/** From the state of an object to what the client gets: the mask, its file, the JSON beside it (protocol 2.2, 2.3). */
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { LimnetError } from "../../errors.js";
import type { Shape } from "../../imaging/geometry.js";
import { maskFrom } from "./fusion/pairs.js";
import type { ObjectState } from "./object.js";

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

/** Seconds, as clients of MONAI Label know them. */
export interface Latencies {
  readonly pre: number;
  readonly infer: number;
  readonly post: number;
  readonly write: number;
  readonly total: number;
}

const rounded = (seconds: number) => Math.round(seconds * 100) / 100;

/** The result JSON. The key `limnet` is our own: which slices of the last round were kept from the round before, and how sure that is. */
export function resultJson(label: string, axis: number, { plan, history }: ObjectState, seconds: Latencies): Record<string, unknown> {
  const last = history.records.get(plan.keys.at(-1) ?? "");
  const { pre, infer, post, write, total } = seconds;
  return {
    label_names: [label],
    latencies: {
      pre: rounded(pre), infer: rounded(infer), invert: 0, post: rounded(post), write: rounded(write), total: rounded(total),
      transform: null,
    },
    centroids: {},
    limnet: {
      /** Number of the last round, from 1; 0 without clicks. */
      round: plan.rounds.length,
      slice: plan.rounds.at(-1)?.slice ?? null,
      axis,
      rounds: plan.rounds.map(({ slice, clicks }, n) => {
        const record = history.records.get(plan.keys[n]);
        return {
          slice, clicks: clicks.length, run: n >= plan.keep,
          seconds: record ? Math.round(record.seconds * 1000) / 1000 : null, propagated: record?.propagated ?? null,
        };
      }),
      slices: last?.slices.map(({ index, winner, probability }) => ({ index, winner, probability: Math.round(probability * 1e4) / 1e4 })) ?? [],
      model: history.model,
    },
  };
}
