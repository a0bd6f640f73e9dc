import { join } from "node:path";
import request from "supertest";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readVolume } from "../../src/imaging/read.js";
import { geometry, type Lab, openLab, shape } from "./harness.js";

let lab: Lab;
beforeEach(async () => {
  lab = await openLab();
});
afterEach(() => lab.close());

const values = Array.from({ length: 24 }, (_, n) => n % 5);
const submit = (bytes: Buffer) => request(lab.server.http).put("/datastore/label?image=scan_1")
  .field("params", '{"label_info":[{"segmentIndex":1,"name":"spleen"}]}').attach("label", bytes, "label.bin");

describe("a bare label as OHIF sends it (label.bin)", () => {
  it.each([
    ["uint8", Buffer.from(values), Uint8Array],
    ["uint16, little-endian", Buffer.from(Uint16Array.from(values).buffer), Uint8Array],
    ["uint16 with large values", Buffer.from(Uint16Array.from(values, (value) => 300 * value).buffer), Uint16Array],
  ])("is kept as a volume on the grid of the image: %s", async (_, bytes, type) => {
    await submit(bytes).expect(200, { image: "scan_1", label: "scan_1" });
    const volume = await readVolume(join(lab.folder, "labels/final/scan_1.nii.gz"));
    expect(volume.voxels).toBeInstanceOf(type);
    expect([...volume.voxels].map((value) => value / (type === Uint16Array ? 300 : 1))).toEqual(values);
    expect(volume).toMatchObject({ shape, geometry });
    const label = (await lab.datastore.label("scan_1", "final"))!;
    expect(label).toMatchObject({ ext: ".nii.gz", info: { label_info: [{ segmentIndex: 1, name: "spleen" }], name: "scan_1.nii.gz" } });
  });

  it("is refused where its length is not that of the image", async () => {
    for (const length of [0, 23, 25, 72]) {
      const { body } = await submit(Buffer.alloc(length)).expect(422);
      expect(body.detail).toMatch(/4 x 3 x 2 = 24 voxels/);
    }
    expect(await lab.datastore.label("scan_1", "final")).toBeNull();
  });
});
