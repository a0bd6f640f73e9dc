import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ctSeries } from "../../test/archive/series.js";
import { fileDigest } from "../imaging/digest.js";
import { writeNifti } from "../imaging/nifti-write.js";
import { SeriesAssembler } from "./assembler.js";
import { DigestThread } from "./digest-thread.js";
import { readSeries } from "./series.js";

const fixtures = join(import.meta.dirname, "..", "..", "test", "fixtures", "dicom");
let folder: string;
const digests = new DigestThread();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-write-volume-"));
});
afterAll(async () => {
  await digests.close();
  await rm(folder, { recursive: true, force: true });
});

async function filesOf(name: string): Promise<Buffer[]> {
  const at = join(fixtures, name);
  return Promise.all((await readdir(at)).filter((file) => file.endsWith(".dcm")).map((file) => readFile(join(at, file))));
}

describe("a volume that is written piece by piece", () => {
  // CT with an offset, PET rescaled slice by slice, compressed, tilted, one that is larger than a piece, and one whose offset does not fit its values' 16 bits.
  it.each(["ct_3slice_seg", "ct_j2k_series", "ct_gantry_tilt", "pet_seg", "mr_oblique_t2", "mr_series_rle", "large", "beyond"])("is the same file, byte for byte, as the volume in memory: %s", async (name) => {
    const made = { large: ctSeries(13, 512, -1024), beyond: ctSeries(3, 16, 32_700) }[name];
    const files = made?.map(({ file }) => file) ?? await filesOf(name);
    const { volumes: [{ volume, ...rest }] } = await readSeries(files);
    const [whole, pieces] = [join(folder, `${name}-whole.nii`), join(folder, `${name}-pieces.nii`)];
    await writeNifti(volume, whole, { gzip: false });
    const assembler = new SeriesAssembler({ onlyFirst: true });
    for (const file of files) await assembler.add(file);
    const { source, digest } = await assembler.write(pieces, digests);
    expect((await readFile(pieces)).equals(await readFile(whole))).toBe(true);
    expect(digest).toBe(await fileDigest(whole));
    expect(source).toEqual({ ...rest, shape: volume.shape, geometry: volume.geometry });
    // In memory too: with all frames at hand, values are written once; here above, the array was filled and then settled.
    const { volumes: [{ volume: { voxels, ...once } }] } = await assembler.finish();
    const { voxels: settled, ...twice } = volume;
    expect(once).toEqual(twice);
    expect(voxels.constructor).toBe(settled.constructor);
    expect(Buffer.compare(Buffer.from(voxels.buffer as ArrayBuffer), Buffer.from(settled.buffer as ArrayBuffer))).toBe(0);
  });

  it("ends when it is told to", async () => {
    const stop = new AbortController();
    const assembler = new SeriesAssembler({ signal: stop.signal });
    for (const { file } of ctSeries(3)) await assembler.add(file);
    stop.abort(new Error("enough"));
    await expect(assembler.write(join(folder, "none.nii"), digests)).rejects.toThrow("enough");
  });
});
