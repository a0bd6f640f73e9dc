/** DICOM: a series of 200 compressed slices on one core and on all, and what the rest of reading takes. */
import { readdir, readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { DecoderPool } from "../src/dicom/codecs/pool.js";
import { parseInstance } from "../src/dicom/instance.js";
import { readSeries } from "../src/dicom/series.js";
import { sliceFile } from "../test/fixtures/dicom/make.js";
import type { Figure } from "./statistics.js";

const slices = 200;
const fixtures = join(import.meta.dirname, "..", "test", "fixtures", "dicom", "ct_j2k_series");

export async function benchDicom(): Promise<Figure[]> {
  const files = await Promise.all((await readdir(fixtures)).sort().map((name) => readFile(join(fixtures, name))));
  const frames = (await Promise.all(files.map((file) => parseInstance(file)))).map(({ pixels }) => pixels!.frame(1));
  const one = await seconds(frames, 1);
  const all = await seconds(frames, availableParallelism());
  const plain = Array.from({ length: slices }, (_, k) => sliceFile(new Uint16Array(512 * 512).fill(k), { rows: 512, columns: 512, position: [0, 0, k], number: k + 1 }));
  const start = performance.now();
  await readSeries(plain);
  const raw = (performance.now() - start) / 1000;
  const note = `${slices} slices of 512 x 512, JPEG 2000 lossless, CT`;
  return [
    { name: "JPEG 2000 on one core", value: one, unit: "s", note },
    { name: "JPEG 2000 on all cores", value: all, unit: "s", note: `${note}, ${availableParallelism()} threads` },
    { name: "all cores against one", value: one / all, unit: "x", target: { value: 1.7, kind: "least" }, note },
    { name: "uncompressed series to a volume", value: raw, unit: "s", note: `${slices} slices of 512 x 512, 105 MB, files in memory` },
  ];
}

/** Threads are warm: starting them and compiling the decoder is not decoding. */
async function seconds(frames: readonly Parameters<DecoderPool["decode"]>[0][], threads: number): Promise<number> {
  const pool = new DecoderPool({ threads });
  try {
    await Promise.all(Array.from({ length: 2 * threads }, () => pool.decode(frames[0])));
    const start = performance.now();
    await Promise.all(Array.from({ length: slices }, (_, n) => pool.decode(frames[n % frames.length])));
    return (performance.now() - start) / 1000;
  } finally {
    await pool.close();
  }
}
