/** Synthetic scans and jobs for tests of the engine: a bright ellipsoid in noise. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { modelsFolder } from "../../src/engine/models.js";
import type { LimnetSettings, RoundRequest, SegmentJob } from "../../src/engine/protocol.js";
import { fileDigest } from "../../src/imaging/digest.js";
import { writeNifti } from "../../src/imaging/nifti-write.js";
import type { Shape } from "../../src/imaging/geometry.js";

export const modelsDir = modelsFolder();
export const shape: Shape = [96, 80, 40];
export const settings: LimnetSettings = { fusion: "network", memory: "permanent", propagate: true, window: null };

/** Stored values of the scan. The centre of the ellipsoid is the middle of the grid, a little off along k. */
export function ellipsoid([ni, nj, nk]: Shape, offset = 3): Int16Array {
  const voxels = new Int16Array(ni * nj * nk);
  let seed = 7;
  for (let k = 0, n = 0; k < nk; k++) {
    for (let j = 0; j < nj; j++) {
      for (let i = 0; i < ni; i++, n++) {
        seed = (seed * 1103515245 + 12345) % 2147483648;
        const r = ((i - ni / 2) / (ni / 5)) ** 2 + ((j - nj / 2) / (nj / 6)) ** 2 + ((k - nk / 2 - offset) / (nk / 3)) ** 2;
        voxels[n] = (r <= 1 ? 160 : 60) + (seed >> 16) % 30;
      }
    }
  }
  return voxels;
}

/** The same scan with its slices across k in the opposite order. */
export function reversed<T extends Int16Array | Uint8Array>(voxels: T, [ni, nj, nk]: Shape): T {
  const out = voxels.slice() as T;
  for (let k = 0; k < nk; k++) out.set(voxels.subarray(k * ni * nj, (k + 1) * ni * nj), (nk - 1 - k) * ni * nj);
  return out;
}

export interface Scan {
  readonly folder: string;
  readonly volumePath: string;
  readonly volumeDigest: string;
  remove(): Promise<void>;
}

export async function writeScan(voxels: Int16Array, grid: Shape = shape): Promise<Scan> {
  const folder = await mkdtemp(join(tmpdir(), "limnet-engine-"));
  const volumePath = join(folder, "scan.nii");
  const geometry = { affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] as const };
  await writeNifti({ voxels, shape: grid, geometry, slope: 1, intercept: 0 }, volumePath, { gzip: false });
  return { folder, volumePath, volumeDigest: await fileDigest(volumePath), remove: () => rm(folder, { recursive: true, force: true }) };
}

export const click = (slice: number, row: number, col: number, positive = true): RoundRequest => ({ slice, clicks: [{ row, col, positive }] });

let names = 0;

/** A job of `rounds`, with fresh names for its outputs. */
export function jobOf(scan: Scan, rounds: readonly RoundRequest[], more: Partial<SegmentJob> = {}): SegmentJob {
  return {
    volumePath: scan.volumePath, volumeDigest: scan.volumeDigest, axis: 2, state: { fusedPath: null, rounds: [] }, rounds,
    outputs: rounds.map(() => join(scan.folder, `out-${++names}.gz`)), settings, ...more,
  };
}

/** A copy: `slice` of a Buffer would share its memory. */
export const stored = async (path: string): Promise<Uint8Array> => new Uint8Array(gunzipSync(await readFile(path)));

export const maskOf = (volume: Uint8Array): number => volume.reduce((sum, v) => sum + (v >= 128 ? 1 : 0), 0);
