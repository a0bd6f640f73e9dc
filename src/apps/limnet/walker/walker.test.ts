import { describe, expect, it } from "vitest";
import type { WalkerSettings } from "../networks.js";
import type { SliceSource } from "../propagation/features.js";
import type { StoredPlane } from "../propagation/plane.js";
import { blockAround } from "./lattice.js";
import { solve } from "./solve.js";
import { walk } from "./walker.js";

const settings: WalkerSettings = { contrast: 20, across: 2, trust: 0.005, iterations: 40 };

/** Slices with a bright disk; deterministic noise of +-4 grey values. */
function disks(count: number, side: number, radius: number): { source: SliceSource; disk: Uint8Array } {
  const disk = new Uint8Array(side * side);
  const middle = (side - 1) / 2;
  for (let r = 0; r < side; r++) for (let c = 0; c < side; c++) disk[r * side + c] = Math.hypot(r - middle, c - middle) <= radius ? 255 : 0;
  let seed = 1;
  const noise = () => {
    seed = (seed * 48271) % 0x7fffffff;
    return (seed % 9) - 4;
  };
  const planes = Array.from({ length: count }, () => ({ data: disk.map((d) => (d > 0 ? 170 : 80) + noise()), rows: side, cols: side }));
  return { disk, source: { count, rows: side, cols: side, identity: "disks", plane: (index) => planes[index] } };
}

/** What a network leaves that is unsure of the border: the disk moved, and soft. */
const moved = (disk: Uint8Array, side: number, by: number) => disk.map((_, i) => (i % side >= by && disk[i - by] > 0 ? 165 : 70));

function dice(plane: StoredPlane, truth: Uint8Array): number {
  let both = 0;
  let sum = 0;
  truth.forEach((t, i) => {
    const m = plane !== null && plane[i] >= 128;
    if (m && t > 0) both++;
    sum += Number(m) + Number(t > 0);
  });
  return (2 * both) / sum;
}

describe("walk", () => {
  it("moves a border that the network put beside an edge onto the edge", async () => {
    const { source, disk } = disks(5, 40, 10);
    const planes = [0, 1, 2, 3, 4].map((n) => (n === 2 ? disk : moved(disk, 40, 4)));
    const out = await walk({ source, planes, prompts: new Set([2]), settings });
    for (const n of [1, 3]) {
      expect(dice(planes[n], disk)).toBeLessThan(0.8);
      expect(dice(out[n], disk)).toBeGreaterThan(0.97);
    }
  });

  it("leaves prompt slices and walls as they are, and the input too", async () => {
    const { source, disk } = disks(5, 40, 10);
    const soft = moved(disk, 40, 4);
    const kept = Uint8Array.from(soft);
    const planes = [soft, disk, soft, null, null];
    const out = await walk({ source, planes, prompts: new Set([1, 3]), settings });
    expect(out[1]).toBe(disk);
    expect(out[3]).toBe(null);
    expect(soft).toEqual(kept);
    expect(out.length).toBe(5);
  });

  it("takes what is unsure between two prompts of the object, more of it where they were corrected, and there beyond them too", async () => {
    const { source, disk } = disks(5, 40, 10);
    const flat = { ...source, plane: () => ({ data: new Uint8Array(1600).fill(90), rows: 40, cols: 40 }) };
    const soft = Uint8Array.from({ length: 1600 }, (_, i) => Math.max(0, 255 - 12 * Math.hypot(Math.floor(i / 40) - 19.5, (i % 40) - 19.5)));
    const planes = [soft, disk, soft, disk, soft];
    const area = async (given: WalkerSettings, corrected?: ReadonlySet<number>) =>
      (await walk({ source: flat, planes, prompts: new Set([1, 3]), corrected, settings: given })).map((plane) => plane!.filter((p) => p >= 128).length);
    const alone = { ...settings, across: 1e-6, trust: 0.5 };
    const between = { ...alone, levels: { between: 0.45, corrected: 0.4, beyond: 0.45 } };
    const [before, once, half, both] = [await area(alone), await area(between), await area(between, new Set([1])), await area(between, new Set([1, 3]))];
    expect(once[2]).toBeGreaterThan(before[2]);
    expect(half[2]).toBe(once[2]);
    expect(both[2]).toBeGreaterThan(once[2]);
    for (const n of [0, 1, 3, 4]) expect(once[n]).toBe(before[n]);
    for (const n of [0, 4]) expect(both[n]).toBeGreaterThan(before[n]);
    expect([half[0], half[4]]).toEqual([both[0], before[4]]);
  });

  it("works on a coarser lattice where the object is large", async () => {
    const { source, disk } = disks(3, 300, 110);
    const out = await walk({ source, planes: [moved(disk, 300, 12), disk, moved(disk, 300, 12)], prompts: new Set([1]), settings });
    expect(dice(moved(disk, 300, 12), disk)).toBeLessThan(0.94);
    expect(dice(out[0], disk)).toBeGreaterThan(0.97);
  });

  it("coarsens a long object further, so that no walk holds more than a million nodes", () => {
    const plane = new Uint8Array(128 * 128).fill(255);
    const block = (count: number) => blockAround(Array.from({ length: count }, () => plane), disks(1, 128, 5).source)!;
    expect(block(60).factor).toBe(1);
    const long = block(600);
    expect(long.factor).toBe(4);
    expect(long.depth * long.rows * long.cols).toBeLessThan(1_000_000);
  });

  it("answers nothing where there is nothing", async () => {
    const { source } = disks(3, 20, 5);
    expect(await walk({ source, planes: [null, null, null], prompts: new Set(), settings })).toEqual([null, null, null]);
  });

  it("ends when its check throws", async () => {
    const { source, disk } = disks(3, 20, 5);
    let looks = 0;
    const check = async () => {
      if (++looks === 3) throw new Error("enough");
    };
    const planes = [moved(disk, 20, 2), disk, moved(disk, 20, 2)];
    await expect(walk({ source, planes, prompts: new Set([1]), settings, check })).rejects.toThrow("enough");
    expect(looks).toBe(3);
  });
});

describe("solve", () => {
  it("fulfils the equations of the walker at every free node", async () => {
    const [depth, rows, cols] = [2, 3, 4];
    const count = depth * rows * cols;
    const plane = rows * cols;
    const weight = (i: number, axis: number) => 0.2 + ((i * 7 + axis * 5) % 10) / 10;
    const alongCols = Float32Array.from({ length: count }, (_, i) => (i % cols === cols - 1 ? 0 : weight(i, 0)));
    const alongRows = Float32Array.from({ length: count }, (_, i) => (i % plane >= plane - cols ? 0 : weight(i, 1)));
    const alongDepth = Float32Array.from({ length: count }, (_, i) => (i >= plane ? 0 : weight(i, 2)));
    const trust = Float32Array.from({ length: count }, (_, i) => 0.01 + (i % 3) / 10);
    const free = Uint8Array.from({ length: count }, (_, i) => (i === 5 || i === 17 ? 0 : 1));
    const prior = Float32Array.from({ length: count }, (_, i) => (i * 11 % 13) / 13);
    const x = await solve({ depth, rows, cols, alongCols, alongRows, alongDepth, trust, free }, prior, 200);
    for (let i = 0; i < count; i++) {
      if (free[i] === 0) expect(x[i]).toBe(prior[i]);
      else {
        let balance = trust[i] * (x[i] - prior[i]);
        for (const [step, weights] of [[1, alongCols], [cols, alongRows], [plane, alongDepth]] as const) {
          if (i + step < count) balance += weights[i] * (x[i] - x[i + step]);
          if (i - step >= 0) balance += weights[i - step] * (x[i] - x[i - step]);
        }
        expect(Math.abs(balance)).toBeLessThan(1e-4);
      }
    }
  });
});
