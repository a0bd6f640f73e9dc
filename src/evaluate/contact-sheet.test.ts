import { PNG } from "pngjs";
import { describe, expect, it } from "vitest";
import type { Shape } from "../imaging/geometry.js";
import { Canvas } from "./canvas.js";
import { contactSheet, spreadSlices } from "./contact-sheet.js";

const shape: Shape = [30, 20, 10];

function box(from: readonly [number, number, number], to: readonly [number, number, number]): Uint8Array {
  const out = new Uint8Array(6000);
  for (let k = from[2]; k < to[2]; k++) {
    for (let j = from[1]; j < to[1]; j++) for (let i = from[0]; i < to[0]; i++) out[i + 30 * (j + 20 * k)] = 1;
  }
  return out;
}

describe("Canvas", () => {
  it("writes a PNG that others can read, words included", () => {
    const canvas = new Canvas(40, 12, [10, 20, 30]);
    canvas.text(1, 1, "T1", [255, 255, 255]);
    canvas.set(-1, 0, [1, 1, 1]);
    const read = PNG.sync.read(canvas.png());
    expect([read.width, read.height]).toEqual([40, 12]);
    expect([...read.data.subarray(0, 4)]).toEqual([10, 20, 30, 255]);
    const row = (y: number) => Array.from({ length: 13 }, (_, x) => (read.data[(y * 40 + x) * 4] === 255 ? "#" : ".")).join("");
    expect([row(1), row(2), row(7)]).toEqual([".#####...#...", "...#....##...", "...#....###.."]);
  });
});

describe("spreadSlices", () => {
  it("shows slices across the object, each once", () => {
    expect(spreadSlices(box([3, 3, 2], [9, 9, 8]), shape, 2, 3)).toEqual([3, 5, 6]);
    expect(spreadSlices(box([3, 3, 2], [9, 9, 4]), shape, 2, 5)).toEqual([2, 3]);
    expect(spreadSlices(new Uint8Array(6000), shape, 2, 5)).toEqual([]);
  });
});

describe("contactSheet", () => {
  it("draws image, both outlines and clicks, enlarged", () => {
    const truth = box([10, 5, 2], [20, 15, 8]);
    const mask = box([2, 5, 2], [8, 15, 8]);
    const grey = new Uint8Array(6000).fill(77);
    const clicks = [{ slice: 4, row: 10, col: 25, positive: false }, { slice: 5, row: 1, col: 1, positive: true }];
    const canvas = contactSheet({ title: "test", grey, truth, shape, axis: 2, slices: [4], rows: [{ caption: "round 1", mask, clicks }] });
    const seen = new Map<string, number>();
    for (let y = 0; y < canvas.height; y++) {
      for (let x = 0; x < canvas.width; x++) seen.set(canvas.get(x, y).join(), (seen.get(canvas.get(x, y).join()) ?? 0) + 1);
    }
    // Enlarged 8 times: 30 x 20 pixels less what is drawn over them.
    expect(seen.get("77,77,77")).toBeGreaterThan(600 * 64 * 0.95);
    // Four sides of 10 pixels, corners shared; the legend's words besides.
    expect(seen.get("70,220,100")).toBeGreaterThan(4 * 80 - 4);
    expect(seen.get("255,90,70")).toBeGreaterThan(2 * (48 + 80) - 4);
    const bar = (colour: string) => seen.get(colour)!;
    // The negative click's bar is drawn (33 dots on top of the legend), the positive one's slice is not shown.
    const empty = contactSheet({ title: "test", grey, truth, shape, axis: 2, slices: [4], rows: [{ caption: "round 1", mask, clicks: [] }] });
    let legend = 0;
    for (let y = 0; y < empty.height; y++) for (let x = 0; x < empty.width; x++) if (empty.get(x, y).join() === "255,210,60") legend++;
    expect(bar("255,210,60")).toBe(legend + 33);
  });

  it("shows only a part of the slices where a frame is given, clicks in place", () => {
    const grey = Uint8Array.from({ length: 6000 }, (_, at) => (at % 30 === 12 && Math.floor(at / 30) % 20 === 6 ? 200 : 50));
    const clicks = [{ slice: 4, row: 7, col: 14, positive: true }, { slice: 4, row: 0, col: 0, positive: true }];
    const nothing = new Uint8Array(6000);
    const canvas = contactSheet({
      title: "", grey, truth: nothing, shape, axis: 2, slices: [4], rows: [{ caption: "", mask: nothing, clicks }], frame: { row: 5, col: 10, rows: 4, cols: 8 },
    });
    // 8 columns become 240 dots: 30 times enlarged, 8 dots from the left; the picture of the slice is the last thing above the gap.
    const top = canvas.height - 8 - 120;
    expect([canvas.get(8 + 60, top + 30), canvas.get(8 + 89, top + 59)]).toEqual([[200, 200, 200], [200, 200, 200]]);
    expect([canvas.get(8 + 59, top + 30), canvas.get(8 + 90, top + 30)]).toEqual([[50, 50, 50], [50, 50, 50]]);
    expect(canvas.get(8 + 4 * 30 + 15, top + 2 * 30 + 15)).toEqual([90, 190, 255]);
    expect(canvas.get(8, top)).toEqual([50, 50, 50]);
  });
});
