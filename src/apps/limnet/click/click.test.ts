import { describe, expect, test } from "vitest";
import { fakeNetworks, type Graph } from "../testing.js";
import type { Plane } from "../view.js";
import { runClicks } from "./click.js";

const rows = 64;
const cols = 48;
const size = 32;
const area = size * size;
const slice: Plane<Uint8Array> = { data: new Uint8Array(rows * cols).fill(100), rows, cols };
const plus = (row: number, col: number) => ({ row, col, positive: true });
const minus = (row: number, col: number) => ({ row, col, positive: false });

const answer = (probability: Float32Array) => ({ probability: { data: probability, dims: [1, 1, size, size] } });
/** A network that answers with the positive disks without the negative ones. */
const disks: Graph = ({ maps }) => answer(Float32Array.from({ length: area }, (_, i) =>
  (maps.data[area + i] as number) * (1 - (maps.data[2 * area + i] as number))));
const constant = (p: number): Graph => () => answer(new Float32Array(area).fill(p));
const empty = (): Plane => ({ data: new Float32Array(rows * cols), rows, cols });
const square = (): Plane => {
  const plane = empty();
  for (let r = 20; r < 30; r++) plane.data.fill(0.9, r * cols + 10, r * cols + 20);
  return plane;
};
const mean = (map: ArrayLike<number | bigint>, from: number) => {
  let sum = 0;
  for (let i = from; i < from + area; i++) sum += map[i] as number;
  return sum / area;
};

describe("maps of the network", () => {
  test("come in the order previous, disks, geodesic pairs", async () => {
    const { networks, calls } = fakeNetworks({ click: disks });
    await runClicks(networks, slice, null, [plus(32, 24)]);
    const { maps, image } = calls[0].feeds;
    expect(maps.dims).toEqual([1, 7, size, size]);
    expect(image.dims).toEqual([1, 1, size, size]);
    expect(image.data[16 * size + 16]).toBeCloseTo(100 / 255, 6);
    const used = Array.from({ length: 7 }, (_, n) => mean(maps.data, n * area) > 0);
    expect(used).toEqual([false, true, false, true, false, true, false]);
  });

  test("end with the flood maps of both signs where the network has them", async () => {
    const { networks, calls } = fakeNetworks({ click: disks });
    const { click } = networks.settings;
    const flooding = { ...networks, settings: { ...networks.settings, click: { ...click, flood: { scale: 20 } } } };
    await runClicks(flooding, slice, null, [plus(32, 24), minus(10, 24)]);
    const { maps } = calls.at(-1)!.feeds;
    expect(maps.dims).toEqual([1, 9, size, size]);
    // The slice is even: either region takes all of it at once.
    const seen = Array.from({ length: 2 }, (_, n) => maps.data[(7 + n) * area + 16 * size + 16]);
    expect(seen).toEqual([1, 1]);
    expect(mean(calls[0].feeds.maps.data, 8 * area)).toBe(0);
  });

  test("hold the map of the run before as previous mask, and all clicks so far", async () => {
    const { networks, calls } = fakeNetworks({ click: constant(0.7) });
    await runClicks(networks, slice, null, [plus(32, 24), minus(10, 24)]);
    expect(calls).toHaveLength(2);
    const { maps } = calls[1].feeds;
    expect(maps.data[3 * size + 16]).toBeCloseTo(0.7, 5);
    expect(mean(maps.data, area)).toBeGreaterThan(0);
    expect(mean(maps.data, 2 * area)).toBeGreaterThan(0);
  });

  test("show clicks of earlier rounds without running for them", async () => {
    const { networks, calls } = fakeNetworks({ click: disks });
    await runClicks(networks, slice, square(), [minus(12, 40)], { earlier: [plus(25, 15)] });
    expect(calls).toHaveLength(1);
    expect(mean(calls[0].feeds.maps.data, area)).toBeGreaterThan(0);
  });
});

describe("views", () => {
  test("the first click on an empty slice looks at the whole slice, the next one at the mask", async () => {
    const { networks } = fakeNetworks({ click: disks });
    const first = await runClicks(networks, slice, null, [plus(32, 24)]);
    expect(first.view).toEqual({ row: 0, col: -8, side: 64 });
    const second = await runClicks(networks, slice, null, [plus(32, 24), plus(33, 24)]);
    expect(second.view!.side).toBeLessThan(64);
    expect(second.runs).toBe(2);
  });

  test("a mask that is there is zoomed on at the first click", async () => {
    const { networks } = fakeNetworks({ click: disks });
    const { view, runs } = await runClicks(networks, slice, square(), [plus(25, 15)]);
    expect(view).toEqual({ row: 17, col: 7, side: 16 });
    expect(runs).toBe(1);
  });

  test("a zoomed view is shown at its own size, the whole slice at another", async () => {
    const fill: Graph = ({ image }) => ({ probability: { data: new Float32Array(image.data.length).fill(0.7), dims: [...image.dims] } });
    const { networks, calls } = fakeNetworks({ click: fill }, { first: "guess", size: 48 });
    const { runs } = await runClicks(networks, slice, null, [plus(32, 24), plus(33, 24)]);
    expect(runs).toBe(3);
    expect(calls.map(({ feeds }) => feeds.image.dims[3])).toEqual([32, 48, 48]);
    expect(calls.map(({ feeds }) => feeds.maps.dims[3])).toEqual([32, 48, 48]);
    expect(calls[1].feeds.maps.data[24 * 48 + 24]).toBeCloseTo(0.7, 5);
  });

  test("a noisy slice is smoothed for the first clicks of a large object, and shown as it is to the further ones", async () => {
    const stripes = { ...slice, data: slice.data.map((v, i) => v + ((i % cols) % 4 < 2 ? 40 : -40)) };
    const { networks, calls } = fakeNetworks({ click: constant(0.7) });
    const settings = { ...networks.settings, denoise: { minObject: 30, noise: [10], clicks: 2 } };
    const contrast = async (noise: number, denoise = settings.denoise) => {
      calls.length = 0;
      await runClicks({ ...networks, settings: { ...settings, denoise } }, stripes, null, [plus(32, 24), plus(30, 24), plus(34, 24)], { noise });
      return calls.map(({ feeds: { image: { data } } }) => Math.round(255 * Math.abs(Number(data[16 * size + 16]) - Number(data[16 * size + 17]))));
    };
    const [before] = await contrast(0);
    const seen = await contrast(12);
    expect(seen).toEqual([seen[0], seen[0], before]);
    expect(seen[0]).toBeLessThan(0.8 * before);
    expect(await contrast(12, { ...settings.denoise, minObject: 60 })).toEqual([before, before, before]);
  });

  test.each(["fresh", "guess"] as const)("\"%s\" runs once more on the zoomed guess", async (first) => {
    const { networks, calls } = fakeNetworks({ click: disks }, { first });
    const { view, runs, probability } = await runClicks(networks, slice, null, [plus(32, 24)]);
    expect(runs).toBe(2);
    expect(view!.side).toBeLessThan(64);
    expect(mean(calls[1].feeds.maps.data, 0) > 0).toBe(first === "guess");
    expect(probability.data[0]).toBe(0);
  });

  test.each(["fresh", "guess"] as const)("\"%s\" stops at an empty guess", async (first) => {
    const { networks } = fakeNetworks({ click: constant(0.1) }, { first });
    expect((await runClicks(networks, slice, null, [plus(32, 24)])).runs).toBe(1);
  });

  test("outside the view the result is 0", async () => {
    const { networks } = fakeNetworks({ click: constant(1) });
    const { probability } = await runClicks(networks, slice, square(), [plus(25, 15)]);
    expect(probability.data[25 * cols + 15]).toBe(1);
    expect(probability.data[60 * cols + 40]).toBe(0);
  });
});

describe("what users rely on", () => {
  test("negative clicks alone on an empty slice leave it empty, without the network", async () => {
    const { networks, calls } = fakeNetworks({ click: constant(1) });
    const { probability, view } = await runClicks(networks, slice, null, [minus(5, 5), minus(9, 9)]);
    expect(calls).toHaveLength(0);
    expect(view).toBeNull();
    expect(probability.data.every((p) => p === 0)).toBe(true);
  });

  test.each([0, 1])("clicked pixels obey even where the network answers %d everywhere", async (p) => {
    const { networks } = fakeNetworks({ click: constant(p) });
    const clicks = [plus(30, 20), minus(31, 21), plus(0, 0), minus(63, 47), plus(40, 30)];
    const { probability: { data } } = await runClicks(networks, slice, null, clicks);
    for (const { row, col, positive } of clicks) expect(data[row * cols + col] >= 0.5).toBe(positive);
    expect(data[41 * cols + 31] >= 0.5).toBe(p === 1);
    expect(Math.floor(data[30 * cols + 20] * 255 + 0.5) >= 128).toBe(true);
  });

  test("where two clicks are on one pixel the last one has it, and its neighbours stay as the network says", async () => {
    const { networks } = fakeNetworks({ click: constant(0.8) });
    const { probability: { data } } = await runClicks(networks, slice, null, [plus(30, 20), minus(30.3, 19.8)]);
    expect(data[30 * cols + 20] < 0.5).toBe(true);
    for (const near of [29 * cols + 20, 31 * cols + 20, 30 * cols + 19, 30 * cols + 21]) expect(data[near] >= 0.5).toBe(true);
  });

  test.each([["to one side of a mask takes that side", 6, true], ["in the middle of a mask empties the slice", 23, false]])("where the network leaves nothing, a negative click %s", async (_, col, left) => {
    const { networks } = fakeNetworks({ click: constant(0) });
    const previous = empty();
    for (let r = 20; r < 44; r++) previous.data.fill(0.9, r * cols + 4, r * cols + 44);
    const { probability: { data } } = await runClicks(networks, slice, previous, [minus(32, col)]);
    expect(data[32 * cols + col] < 0.5).toBe(true);
    expect(data[32 * cols + 35] >= 0.5).toBe(left);
  });

  test("the previous map of the caller is not written to", async () => {
    const { networks } = fakeNetworks({ click: constant(1) });
    const previous = empty();
    await runClicks(networks, slice, previous, [minus(5, 5)]);
    await runClicks(networks, slice, previous, [plus(5, 5)]);
    expect(previous.data.every((p) => p === 0)).toBe(true);
  });

  test("a signal stops before the next run", async () => {
    const { networks, calls } = fakeNetworks({ click: constant(1) });
    const signal = AbortSignal.abort(new Error("stop"));
    await expect(runClicks(networks, slice, null, [plus(5, 5)], { signal })).rejects.toThrow("stop");
    expect(calls).toHaveLength(0);
  });
});

describe("late clicks", () => {
  test("from the fifth of a slice on change their own place alone, where the model says so", async () => {
    const { networks } = fakeNetworks({ click: disks });
    const late = { ...networks, settings: { ...networks.settings, click: { ...networks.settings.click, local: 5 } } };
    const before = square();
    before.data.fill(0.9, 50 * cols + 30, 50 * cols + 36);
    const left = async (earlier: number) => {
      const clicks = Array.from({ length: earlier }, () => plus(29, 10));
      const { probability } = await runClicks(late, slice, before, [minus(22, 18)], { earlier: clicks });
      return [probability.data[20 * cols + 19] > 0.5, probability.data[50 * cols + 32] > 0.5];
    };
    expect(await left(3)).toEqual([false, false]);
    expect(await left(4)).toEqual([false, true]);
  });
});
