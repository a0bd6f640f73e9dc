import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { encodeMask } from "../imaging/mask.js";
import { readLabelLayers } from "../imaging/read.js";
import { LabelThread } from "./label-thread.js";
import { readSeg } from "./seg/read.js";
import { fakeSeries } from "./seg/testing.js";

const source = fakeSeries({ shape: [5, 4, 3] });
const voxels = Uint8Array.from({ length: 60 }, (_, at) => at % 3);
let folder: string;
let label: { path: string; info: Record<string, unknown> };
let thread: LabelThread;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-label-thread-"));
  label = { path: join(folder, "label.nrrd"), info: { label_info: [{ name: "liver", idx: 1 }, { name: "spleen", idx: 2 }] } };
  await encodeMask(voxels, source.shape, source.geometry, ".nrrd", label.path);
  thread = new LabelThread();
});
afterEach(async () => {
  await thread.close();
  thread = new LabelThread();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("labels in a thread of their own", () => {
  it("become DICOM and come back, several at once", async () => {
    const objects = await Promise.all([1, 2, 3].map(() => thread.write(label, source)));
    for (const object of objects) {
      const seg = await readSeg(object!.bytes);
      expect(seg.objects.map(({ name }) => name)).toEqual(["liver", "spleen"]);
      expect(await seg.mask(2, source)).toEqual(voxels.map((value) => (value === 2 ? 1 : 0)));
    }
    const back = join(folder, "back.seg.nrrd");
    await thread.read([objects[0]!.bytes], source, back);
    expect(Array.from((await readLabelLayers(back)).layers[0])).toEqual([...voxels]);
    await thread.export(label, source, source, "rtstruct", join(folder, "structures.dcm"));
    expect(await thread.start({ ...label, ext: ".nrrd" }, source, { label: "Spleen" })).toEqual(voxels.map((value) => (value === 2 ? 1 : 0)));
  });

  it("fail with the code and the sentence that say why", async () => {
    await writeFile(join(folder, "broken.nrrd"), "nothing");
    await expect(thread.write({ path: join(folder, "broken.nrrd"), info: {} }, source)).rejects.toMatchObject({ code: "bad_volume", status: 422 });
    await expect(thread.start({ ...label, ext: ".nrrd" }, source, { label: "kidney" })).rejects.toThrow(/"liver" \(1\), "spleen" \(2\)/);
  });

  it("are told when the server stops", async () => {
    const under = expect(thread.write(label, source)).rejects.toMatchObject({ code: "closing" });
    await thread.close();
    await under;
    await expect(thread.write(label, source)).rejects.toMatchObject({ code: "closing" });
  });

  it("get a new thread after the last one ended of idleness", async () => {
    const short = new LabelThread({ idleMs: 1 });
    expect(await short.write(label, source)).not.toBeNull();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await short.write(label, source)).not.toBeNull();
    await short.close();
  });
});
