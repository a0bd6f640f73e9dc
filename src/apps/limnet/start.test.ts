import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { TestBench } from "./testing-app.js";

let bench: TestBench;
beforeEach(async () => {
  bench = await TestBench.make();
});
afterEach(() => bench.close());

const voxels = 6 * 7 * 8;
const start = Uint8Array.from({ length: voxels }, (_, at) => (at % 5 === 0 ? 1 : 0));
const ask = (params: Record<string, unknown>, from: Uint8Array | undefined = start) => bench.ask(params, { start: from });

describe("an object that starts from a mask", () => {
  test("is that mask before the first click, and after all clicks are taken back", async () => {
    expect((await ask({})).mask).toEqual([...start]);
    await ask({ foreground: [[1, 1, 2]] });
    expect((await ask({})).mask).toEqual([...start]);
    expect((await bench.change((objects, ref, options) => objects.move(ref, 1, options))).own.round).toBe(1);
    expect((await bench.change((objects, ref, options) => objects.move(ref, -1, options))).mask).toEqual([...start]);
  });

  test("goes on from it with the first click", async () => {
    await ask({ foreground: [[1, 1, 2]] });
    const { fusedPath } = bench.engine.jobs[0].state;
    expect([...gunzipSync(await readFile(fusedPath!))]).toEqual([...start].map((voxel) => 255 * voxel));
  });

  test("stays a prompt on three of its slices, in every round, so that a click far away does not take its place", async () => {
    await ask({ foreground: [[1, 1, 2]] });
    await ask({ foreground: [[1, 1, 2], [2, 2, 5]] });
    const outlines = [1, 4, 6].map((slice) => ({ slice, clicks: [] }));
    const [first, second] = bench.engine.jobs.map(({ state }) => state.rounds);
    expect(first).toEqual(outlines);
    expect(second).toEqual([...outlines, { slice: 2, clicks: [expect.objectContaining({ positive: true })] }]);
  });

  test("that was outlined on some slices has all of them as prompts", async () => {
    const here = [0, 3, 7];
    await ask({ foreground: [[1, 1, 2]] }, Uint8Array.from({ length: voxels }, (_, at) => Number(here.includes(Math.floor(at / 42)))));
    expect(bench.engine.jobs[0].state.rounds).toEqual(here.map((slice) => ({ slice, clicks: [], drawn: true })));
  });

  test("with the object on one slice only has one such prompt, and an empty one none", async () => {
    const thin = new Uint8Array(voxels).fill(1, 3 * 42, 4 * 42);
    await ask({ foreground: [[1, 1, 2]] }, thin);
    await ask({ foreground: [[1, 1, 2]] }, new Uint8Array(voxels));
    expect(bench.engine.jobs.map(({ state }) => state.rounds.map(({ slice }) => slice))).toEqual([[3], []]);
  });

  test("is kept apart from the same clicks without it, and from those of another mask", async () => {
    const other = start.map((voxel) => 1 - voxel);
    const masks = [await ask({ foreground: [[1, 1, 2]] }), await bench.ask({ foreground: [[1, 1, 2]] }), await ask({ foreground: [[1, 1, 2]] }, other)].map(({ mask }) => mask);
    expect(new Set(masks.map(String)).size).toBe(3);
    expect((await ask({ foreground: [[1, 1, 2]] })).mask).toEqual(masks[0]);
    expect(bench.engine.jobs).toHaveLength(3);
  });

  test("keeps the masks that were clicked on, and of the others the newest only", async () => {
    const masks = [2, 3, 4, 5, 6].map((every) => Uint8Array.from({ length: voxels }, (_, at) => (at % every === 0 ? 1 : 0)));
    const kept = async () => (await bench.stateFiles()).states.filter((name) => name.includes("start-")).length;
    for (const mask of masks.slice(0, 3)) await ask({}, mask);
    expect(await kept()).toBe(1);
    await ask({ foreground: [[1, 1, 2]] }, masks[2]);
    for (const mask of masks.slice(3)) expect((await ask({}, mask)).mask).toEqual([...mask]);
    expect(await kept()).toBe(2);
    // Back to the one that was clicked on, though the client does not send it again.
    await bench.change((objects, ref, options) => objects.move(ref, 1, options));
    expect((await bench.change((objects, ref, options) => objects.move(ref, -1, options))).mask).toEqual([...masks[2]]);
  });

  test("is there again after a restart, and when its results are lost", async () => {
    const { mask } = await ask({ foreground: [[1, 1, 2], [2, 2, 5]] });
    expect((await bench.ask({ foreground: [[1, 1, 2], [2, 2, 5]] }, { start, to: bench.reopen() })).mask).toEqual(mask);
    expect(bench.engine.jobs).toHaveLength(2);
  });

  test("is an ordinary one where the mask is empty, and refused where it is of another size", async () => {
    expect((await ask({ foreground: [[1, 1, 2]] }, new Uint8Array(voxels))).mask).toEqual((await bench.ask({ foreground: [[1, 1, 2]] })).mask);
    await expect(ask({}, new Uint8Array(voxels - 1))).rejects.toMatchObject({ code: "bad_volume" });
  });
});
