import { expect, test } from "vitest";
import type { Axis, Shape } from "../../../imaging/geometry.js";
import { readSlice, writeSlice } from "../../../imaging/slices.js";
import { fakeNetworks, type Graph } from "../testing.js";
import { type FuseInput, fuse } from "./fuse.js";

const shape: Shape = [14, 12, 30];
const length = 14 * 12 * 30;
const area = 16 * 16;

/** Volume whose slices hold a square of `side(index)` pixels with probability 200 (mask) on 50. */
function volume(axis: Axis, side: (index: number) => number): Uint8Array {
  const voxels = new Uint8Array(length);
  for (let index = 0; index < shape[axis]; index++) {
    const plane = readSlice(voxels, shape, axis, index).fill(50);
    const cols = axis === 0 ? 12 : 14;
    for (let r = 2; r < 2 + side(index); r++) plane.fill(200, r * cols + 2, r * cols + 2 + side(index));
    writeSlice(voxels, shape, axis, index, plane);
  }
  return voxels;
}

/** A network that prefers the larger mask. */
const larger: Graph = ({ pairs }) => {
  const count = pairs.dims[0];
  const data = new Float32Array(count);
  for (let n = 0; n < count; n++) {
    let difference = 0;
    for (let i = 0; i < area; i++) {
      difference += (pairs.data[(3 * n + 1) * area + i] as number) - (pairs.data[(3 * n + 2) * area + i] as number);
    }
    data[n] = 0.5 + Math.max(-0.4, Math.min(0.4, difference));
  }
  return { previous_better: { data, dims: [count, 1] } };
};

function input(axis: Axis, change: Partial<FuseInput> = {}): FuseInput {
  return {
    grey: new Uint8Array(length).fill(80), shape, axis, clicked: 0, locked: new Set(), kind: "network",
    previous: volume(axis, (n) => (n % 3 === 1 ? 6 : 3)), current: volume(axis, (n) => (n % 3 === 2 ? 6 : 3)), ...change,
  };
}

test.each([0, 1, 2] as const)("across axis %d every slice is that of the previous or of the current set", async (axis) => {
  const { networks, calls } = fakeNetworks({ quality: larger });
  const given = input(axis);
  const { fused, slices } = await fuse(networks, given);
  for (let n = 1; n < shape[axis]; n++) {
    const from = n % 3 === 2 ? given.current : given.previous!;
    expect(readSlice(fused, shape, axis, n)).toEqual(readSlice(from, shape, axis, n));
  }
  expect(slices[0]).toEqual({ index: 0, winner: "user", probability: 1 });
  expect(slices[1]).toMatchObject({ index: 1, winner: "previous" });
  expect(slices[1].probability).toBeCloseTo(0.9, 5);
  expect(slices[2]).toMatchObject({ index: 2, winner: "current" });
  expect(slices[2].probability).toBeCloseTo(0.9, 5);
  expect(slices.map(({ index }) => index)).toEqual(Array.from({ length: shape[axis] }, (_, n) => n).filter((n) => n % 3 !== 0 || n === 0));
  const doubtful = slices.length - 1;
  expect(calls.map((call) => call.feeds.pairs.dims[0])).toEqual(
    Array.from({ length: Math.ceil(doubtful / 8) }, (_, n) => Math.min(8, doubtful - 8 * n)));
});

test("the same masks cause no run, and the previous map is kept", async () => {
  const { networks, calls } = fakeNetworks({});
  const previous = volume(2, () => 4);
  const { fused, slices } = await fuse(networks, input(2, { previous, current: previous.map((p) => p + 5) }));
  expect(calls).toHaveLength(0);
  expect(slices).toEqual([{ index: 0, winner: "user", probability: 1 }]);
  expect(readSlice(fused, shape, 2, 0)[0]).toBe(55);
  expect(readSlice(fused, shape, 2, 1)[0]).toBe(50);
});

test("clicked slices are never judged: this round's from the current set, earlier ones from the previous", async () => {
  const { networks } = fakeNetworks({ quality: larger });
  const given = input(2, { clicked: 1, locked: new Set([2, 1]) });
  const { fused, slices } = await fuse(networks, given);
  expect(readSlice(fused, shape, 2, 1)).toEqual(readSlice(given.current, shape, 2, 1));
  expect(readSlice(fused, shape, 2, 2)).toEqual(readSlice(given.previous!, shape, 2, 2));
  expect(slices.slice(0, 2).map(({ winner }) => winner)).toEqual(["user", "user"]);
});

test("slices that the user locked keep the previous mask without being judged, also where the masks are the same", async () => {
  const { networks, calls } = fakeNetworks({ quality: larger });
  const given = input(2, { clicked: 0, locked: new Set([4]), held: new Set([4, 5, 7]) });
  const { fused, slices } = await fuse(networks, given);
  for (const index of [4, 5, 7]) {
    expect(readSlice(fused, shape, 2, index)).toEqual(readSlice(given.previous!, shape, 2, index));
    expect(slices.find((slice) => slice.index === index)).toEqual({ index, winner: "locked", probability: 1 });
  }
  const judged = calls.reduce((sum, { feeds }) => sum + feeds.pairs.dims[0], 0);
  expect(judged).toBe(slices.filter(({ winner }) => winner === "previous" || winner === "current").length);
});

test("the previous mask stays only above the threshold of the settings", async () => {
  const answer = (p: number) => fakeNetworks({ quality: ({ pairs }) => ({ previous_better: { data: new Float32Array(pairs.dims[0]).fill(p), dims: [pairs.dims[0], 1] } }) }).networks;
  const winners = async (p: number, threshold: number) => {
    const networks = answer(p);
    const strict = { ...networks, run: networks.run.bind(networks), settings: { ...networks.settings, quality: { ...networks.settings.quality, threshold } } };
    const { slices } = await fuse(strict, input(2));
    return slices.find(({ index }) => index === 1)?.winner;
  };
  expect(await winners(0.7, 0.5)).toBe("previous");
  expect(await winners(0.7, 0.8)).toBe("current");
  expect(await winners(0.9, 0.8)).toBe("previous");
});

test("a tie keeps the current mask", async () => {
  const { networks } = fakeNetworks({ quality: ({ pairs }) => ({ previous_better: { data: new Float32Array(pairs.dims[0]).fill(0.5), dims: [pairs.dims[0], 1] } }) });
  const given = input(2);
  const { fused, slices } = await fuse(networks, given);
  expect(readSlice(fused, shape, 2, 1)).toEqual(readSlice(given.current, shape, 2, 1));
  expect(slices.find(({ index }) => index === 1)).toEqual({ index: 1, winner: "current", probability: 0.5 });
});

test("swapping the two sets of an antisymmetric network swaps the choice", async () => {
  const { networks } = fakeNetworks({ quality: larger });
  const given = input(2);
  const one = await fuse(networks, given);
  const two = await fuse(networks, { ...given, previous: given.current, current: given.previous! });
  const other = { previous: "current", current: "previous", user: "user", locked: "locked", same: "same" } as const;
  expect(two.slices.map(({ winner }) => winner)).toEqual(one.slices.map(({ winner }) => other[winner]));
});

test("the first round is its own result", async () => {
  const { networks } = fakeNetworks({});
  const given = input(2, { previous: null });
  const { fused, slices } = await fuse(networks, given);
  expect(fused).toEqual(given.current);
  expect(fused).not.toBe(given.current);
  expect(slices).toHaveLength(1);
});

test("\"none\" takes the current set wherever nobody clicked", async () => {
  const { networks } = fakeNetworks({});
  const given = input(2, { kind: "none" });
  const { fused } = await fuse(networks, given);
  expect(readSlice(fused, shape, 2, 1)).toEqual(readSlice(given.current, shape, 2, 1));
});

test("\"oracle\" takes the better Dice, the current set in a tie, an empty mask where nothing is", async () => {
  const { networks } = fakeNetworks({});
  const truth = volume(2, (n) => (n < 20 ? 6 : 0)).map((p) => (p >= 128 ? 1 : 0));
  const previous = volume(2, (n) => (n === 1 || n === 21 ? 5 : n === 22 ? 0 : 3));
  const current = volume(2, (n) => (n === 1 ? 4 : n === 2 ? 4 : n === 22 ? 3 : n === 21 ? 2 : 3));
  const { slices } = await fuse(networks, input(2, { kind: "oracle", truth, previous, current }));
  expect(slices.map(({ index, winner }) => [index, winner])).toEqual(
    [[0, "user"], [1, "previous"], [2, "current"], [21, "current"], [22, "previous"]]);
  await expect(fuse(networks, input(2, { kind: "oracle" }))).rejects.toMatchObject({ code: "bad_request" });
});

test("pairs show the slice in 0..1 and both masks as 0 and 1", async () => {
  const { networks, calls } = fakeNetworks({ quality: larger });
  await fuse(networks, input(2));
  const { data } = calls[0].feeds.pairs;
  expect(data[8 * 16 + 8]).toBeCloseTo(80 / 255, 6);
  expect(new Set(Array.from(data as Float32Array).slice(area, 3 * area))).toEqual(new Set([0, 1]));
});
