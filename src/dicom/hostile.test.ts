/** Wrong and hostile files: a clear error, never a wrong volume, and nothing allocated that a header only claims. */
import { deflateRawSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { dataset, dicomFile, sliceFile } from "../../test/fixtures/dicom/make.js";
import { seeded } from "../../test/fixtures/imaging/make.js";
import { LimnetError } from "../errors.js";
import { SeriesAssembler } from "./assembler.js";
import { LocalDecoder } from "./codecs/decode.js";
import { DecoderPool } from "./codecs/pool.js";
import { readSeries } from "./series.js";
import type { EncodedFrame } from "./types.js";

const size = { rows: 4, columns: 5 };
const pixels = Uint16Array.from({ length: 20 }, (_, at) => at);
const good = (number = 1) => sliceFile(pixels, { ...size, position: [0, 0, number], number });
const slice = (more: Parameters<typeof sliceFile>[1]["more"]) => sliceFile(pixels, { ...size, more });
const frame = (transferSyntaxUid: string, bytes: Uint8Array): EncodedFrame =>
  ({ transferSyntaxUid, bytes, rows: 4, columns: 5, samplesPerPixel: 1, bitsAllocated: 16, bitsStored: 16, signed: false, planar: false });

const pool = new DecoderPool({ threads: 1, deadlineMs: 20_000 });
afterAll(() => pool.close());

describe("a file that is wrong", () => {
  it.each([
    ["no DICOM", Buffer.from("hello, this is a text and no scan at all, but long enough to be looked at. ".repeat(4)), /not DICOM/],
    ["empty", Buffer.alloc(0), /not DICOM/],
    ["cut off in its pixels", good().subarray(0, -10), /cut off/],
    ["cut off in its header", good().subarray(0, 300), /cut off|no image/],
    ["without pixels", dicomFile({ SOPInstanceUID: "1.2", Rows: 4, Columns: 5, BitsAllocated: 16 }), /holds no image/],
    ["of more rows than pixels", slice({ Rows: 60000, Columns: 60000 }), /more than the|cut off/],
    ["of a billion frames", slice({ NumberOfFrames: "1000000000" }), /1000000000 frames/],
    ["of minus one frame", slice({ NumberOfFrames: "-1" }), /-1 frames/],
    ["of more frames than pixels", slice({ NumberOfFrames: "50" }), /cut off/],
    ["of 12 bits allocated", slice({ BitsAllocated: 12 }), /12 bits/],
    ["of more bits stored than allocated", slice({ BitsStored: 20 }), /contradicts itself/],
    ["of four samples", slice({ SamplesPerPixel: 4, PhotometricInterpretation: "CMYK" }), /CMYK/],
    ["with all slices in one place and nothing else", null, /several images lie at one place/],
    ["with rows and columns in one direction", slice({ ImageOrientationPatient: [1, 0, 0, 1, 0, 0] }), /right angle/],
    ["with pixels of no size", slice({ PixelSpacing: [0, 0] }), /spacing|position/],
    ["with a rescale slope of zero", slice({ RescaleSlope: "0" }), /slope is zero/],
  ])("%s: is refused in words", async (_, bytes, message) => {
    const files = bytes ? [bytes] : [1, 2, 3].map((number) => sliceFile(pixels.map((value) => value + number), { ...size, number: number === 3 ? 9 : number, more: { EchoTime: "1", InstanceNumber: 1 } }));
    await expect(readSeries(files)).rejects.toSatisfy((error: unknown) => error instanceof LimnetError && error.code === "bad_volume" && message.test(error.message));
  });

  it("is refused by the limit before anything is allocated", async () => {
    await expect(readSeries([good(1), good(2)], { maxVoxels: 30 })).rejects.toThrow(/more than the 30/);
  });

  it("does not unpack a deflated bomb", async () => {
    const bomb = deflateRawSync(Buffer.alloc(2 ** 20), { level: 9 });
    const head = dicomFile({ SOPInstanceUID: "1.2" }, undefined, "1.2.840.10008.1.2.1.99");
    const meta = head.subarray(0, head.length - dataset({ SOPInstanceUID: "1.2" }).length);
    await expect(readSeries([Buffer.concat([meta, bomb])])).rejects.toMatchObject({ code: "bad_volume" });
    const frames = new LocalDecoder().decode(frame("1.2.840.10008.1.2.8.1", bomb));
    await expect(frames).rejects.toMatchObject({ code: "bad_volume" });
  });

  it("names the syntax to ask for where there is no decoder", async () => {
    for (const uid of ["1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.92", "not a uid"]) {
      await expect(new LocalDecoder().decode(frame(uid, new Uint8Array(10)))).rejects.toMatchObject({ code: "unsupported_transfer_syntax", message: expect.stringContaining("1.2.840.10008.1.2.1") as string });
    }
  });

  it("does not believe a code stream that is larger than its image", async () => {
    const jpeg = Uint8Array.from([0xff, 0xd8, 0xff, 0xc3, 0, 11, 16, 0xff, 0xff, 0xff, 0xff, 1, 1, 0x11, 0, 0, 0]);
    await expect(new LocalDecoder().decode(frame("1.2.840.10008.1.2.4.70", jpeg))).rejects.toThrow(/65535 x 65535/);
    const j2k = Buffer.alloc(60);
    j2k.set([0xff, 0x4f, 0xff, 0x51, 0, 41]);
    for (const at of [8, 12]) j2k.writeUInt32BE(60000, at);
    j2k.writeUInt16BE(1, 40);
    await expect(new LocalDecoder().decode(frame("1.2.840.10008.1.2.4.90", j2k))).rejects.toThrow(/60000 x 60000/);
  });

  it("never ends a pool, whatever the bytes are", async () => {
    const random = seeded(8);
    const uids = ["5", "4.50", "4.70", "4.80", "4.90", "4.201"].map((end) => `1.2.840.10008.1.2.${end}`);
    for (let round = 0; round < 30; round++) {
      const bytes = Uint8Array.from({ length: 200 }, () => Math.floor(random() * 256));
      await expect(pool.decode(frame(uids[round % uids.length], bytes))).rejects.toMatchObject({ code: "bad_volume" });
    }
    const rle = Buffer.alloc(64 + 8);
    rle.writeUInt32LE(2, 0);
    rle.writeUInt32LE(64, 4);
    rle.writeUInt32LE(68, 8);
    rle.set([256 - 9, 1, 256 - 9, 1, 256 - 9, 2, 256 - 9, 2], 64);
    expect([...(await pool.decode(frame("1.2.840.10008.1.2.5", rle))).bytes.subarray(0, 4)]).toEqual([2, 1, 2, 1]);
  });

  it("answers every damaged copy of a good file with an error of the catalogue or the true pixels", async () => {
    const random = seeded(9);
    const original = good();
    for (let round = 0; round < 300; round++) {
      const copy = Buffer.from(original);
      for (let hit = 0; hit < 3; hit++) copy[132 + Math.floor(random() * (copy.length - 132 - 40))] = Math.floor(random() * 256);
      const result = await readSeries([copy], { maxVoxels: 1e6 }).catch((error: unknown) => error);
      if (result instanceof Error) expect(result).toBeInstanceOf(LimnetError);
    }
  });
});

describe("an aborted reading", () => {
  it("stops with the reason", async () => {
    const stop = new AbortController();
    stop.abort(new Error("no longer wanted"));
    await expect(readSeries([good(1), good(2)], { signal: stop.signal })).rejects.toThrow("no longer wanted");
  });
});

describe("slices that come one by one", () => {
  it("can be used before the rest is there, and make the same volume", async () => {
    const assembler = new SeriesAssembler();
    for (const number of [3, 1, 2]) {
      const [{ source, volume: make }] = await assembler.add(good(number));
      const volume = await make();
      expect(source).toMatchObject({ sopInstanceUid: `1.2.3.4.${number}`, position: { left: 0, posterior: 0, superior: number } });
      expect([volume.shape, [...volume.voxels]]).toEqual([[5, 4, 1], [...pixels]]);
    }
    const [whole, direct] = [await assembler.finish(), await readSeries([good(1), good(2), good(3)])];
    expect(whole).toEqual(direct);
  });

  it("may hold a damaged one that is added again", async () => {
    const assembler = new SeriesAssembler();
    await expect(assembler.add(good(1).subarray(0, -4))).rejects.toMatchObject({ code: "bad_volume" });
    await assembler.add(good(1));
    expect((await assembler.finish()).volumes[0].volume.shape).toEqual([5, 4, 1]);
  });
});
