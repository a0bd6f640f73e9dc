import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readFile, rm } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import type { InferRequest } from "../app.js";
import { TestBench, testShape } from "./testing-app.js";

let bench: TestBench;
beforeEach(async () => {
  bench = await TestBench.make();
});
afterEach(() => bench.close());

const plane = testShape[0] * testShape[1];
const voxels = plane * testShape[2];
/** Ones on some pixels of these slices across k. */
const onSlices = (...slices: number[]) => Uint8Array.from({ length: voxels }, (_, at) => (slices.includes(Math.floor(at / plane)) && at % 3 === 0 ? 1 : 0));
const drawing = (drawn: InferRequest["drawn"], params: Record<string, unknown> = {}) => bench.ask({ axis: 2, ...params }, { model: "limnet_outlines", drawn });
const jobs = () => bench.engine.jobs.map(({ state, rounds }) => ({ before: state.rounds.map(({ slice, drawn }) => ({ slice, drawn })), now: rounds.map(({ slice, clicks }) => [slice, clicks.length]) }));

describe("outlines of an object that was not clicked", () => {
  test("are carried on in one round, all of them prompts", async () => {
    const { own, json } = await drawing({ object: onSlices(1, 4, 6) }, { label: "tumour" });
    expect(jobs()).toEqual([{ before: [1, 4, 6].map((slice) => ({ slice, drawn: true })), now: [[6, 0]] }]);
    expect([...gunzipSync(await readFile(bench.engine.jobs[0].state.fusedPath!))]).toEqual([...onSlices(1, 4, 6)].map((voxel) => 255 * voxel));
    expect(own).toMatchObject({ round: 1, slice: 6, undo: 1 });
    expect(json.label_names).toEqual(["tumour"]);
  });

  test("say across which axis they are carried, where the client leaves it open", async () => {
    const across = Uint8Array.from({ length: voxels }, (_, at) => ([1, 4].includes(Math.floor(at / testShape[0]) % testShape[1]) ? 1 : 0));
    await drawing({ object: across }, { axis: "auto" });
    expect(bench.engine.jobs[0]).toMatchObject({ axis: 1, rounds: [{ slice: 4, clicks: [] }] });
  });

  test("of a whole object are taken as they are; clicks go on from three of its slices", async () => {
    const whole = onSlices(1, 2, 3, 4, 5, 6);
    expect((await drawing({ object: whole })).mask).toEqual([...whole]);
    expect(bench.engine.jobs).toHaveLength(0);
    await bench.ask({ foreground: [[0, 0, 7]], axis: 2 });
    expect(jobs()).toEqual([{ before: [2, 4, 5].map((slice) => ({ slice })), now: [[7, 1]] }]);
  });
});

describe("slices that were mended by hand", () => {
  const first = { foreground: [[1, 1, 2]], axis: 2 };
  async function mended(slice: number) {
    const { mask } = await bench.ask(first);
    const object = Uint8Array.from(mask!);
    object[slice * plane + 5] ^= 1;
    object[slice * plane + 8] ^= 1;
    return { object, before: mask! };
  }

  test("become prompts beside those that were clicked, and say nothing of the object's ends", async () => {
    await drawing({ object: (await mended(4)).object });
    expect(jobs()[1]).toEqual({ before: [{ slice: 2 }, { slice: 4 }], now: [[4, 0]] });
  });

  test("go to the engine as they were drawn, the others as they were", async () => {
    const { object } = await mended(4);
    await drawing({ object });
    const state = gunzipSync(await readFile(bench.engine.jobs[1].state.fusedPath!));
    expect([...state].map((p) => Number(p >= 128))).toEqual([...object]);
  });

  test("are not forgotten by the next click of a client that sends all its clicks again", async () => {
    await drawing({ object: (await mended(4)).object });
    await bench.ask({ ...first, foreground: [[1, 1, 2], [2, 2, 6]] });
    expect(jobs()[2]).toEqual({ before: [{ slice: 2 }, { slice: 4 }, { slice: 4 }], now: [[6, 1]] });
  });

  test("change nothing where the mask is the one in force", async () => {
    const { mask } = await bench.ask(first);
    expect((await drawing({ object: Uint8Array.from(mask!) })).mask).toEqual(mask);
    expect(bench.engine.jobs).toHaveLength(1);
  });

  test("go with an undo, and are there after a restart, without computing anything", async () => {
    const { object, before } = await mended(4);
    const { mask } = await drawing({ object });
    expect((await bench.change((objects, ref, options) => objects.move(ref, -1, options))).mask).toEqual(before);
    expect((await bench.change((objects, ref, options) => objects.move(ref, 1, options), bench.reopen())).mask).toEqual(mask);
    expect(bench.engine.jobs).toHaveLength(2);
  });

  test("are computed again from what was drawn when results are lost", async () => {
    const { mask } = await drawing({ object: (await mended(4)).object });
    const { states, masks } = await bench.stateFiles();
    for (const file of [...states, ...masks]) if (!file.includes("start-")) await rm(file, { force: true });
    expect((await bench.ask(first, { to: bench.reopen() })).mask).toEqual(mask);
  });

  test("are none where another object covers this one in the label volume of the client", async () => {
    const { mask } = await bench.ask(first);
    const covered = Uint8Array.from({ length: voxels }, (_, at) => Number(at % 7 === 0));
    const object = Uint8Array.from(mask!, (voxel, at) => (covered[at] ? 0 : voxel));
    expect((await drawing({ object, covered })).mask).toEqual(mask);
    expect(bench.engine.jobs).toHaveLength(1);
  });

  test("on a locked slice are refused", async () => {
    const { object } = await mended(4);
    await bench.change((objects, ref, options) => objects.lock(ref, [4], true, options));
    await expect(drawing({ object })).rejects.toMatchObject({ code: "slice_locked" });
  });
});

describe("strokes", () => {
  const stroke = (slice: number) => Uint8Array.from({ length: voxels }, (_, at) => Number(at === slice * plane + 15));

  test("become clicks, and what they cover in the label volume was not mended", async () => {
    const { mask } = await bench.ask({ foreground: [[1, 1, 2]], axis: 2 });
    const object = Uint8Array.from(mask!, (voxel, at) => (stroke(5)[at] ? 0 : voxel));
    await drawing({ object, background: stroke(5) });
    expect(jobs()[1]).toEqual({ before: [{ slice: 2 }], now: [[5, 1]] });
    expect(bench.engine.jobs[1].rounds[0].clicks).toEqual([{ row: 2, col: 3, positive: false }]);
  });

  test("count once, though clients send them again, and stay with the next click", async () => {
    await drawing({ foreground: stroke(3) });
    await drawing({ foreground: stroke(3) });
    await bench.ask({ foreground: [[1, 1, 6]], axis: 2 });
    expect(jobs().map(({ now }) => now)).toEqual([[[3, 1]], [[6, 1]]]);
  });

  test("on a label that shows nothing leave what is in force as it is", async () => {
    await bench.ask({ foreground: [[1, 1, 2]], axis: 2 });
    await drawing({ object: new Uint8Array(voxels), foreground: stroke(6) });
    expect(jobs()[1]).toEqual({ before: [{ slice: 2 }], now: [[6, 1]] });
  });

  test("are refused where they are too many", async () => {
    const everywhere = Uint8Array.from({ length: voxels }, (_, at) => Number(at % 2 === 0 && Math.floor(at / testShape[0]) % 2 === 0 && [0, 2, 4].includes(Math.floor(at / plane))));
    const app = bench.reopen({ limits: { maxClicks: 20 } });
    await expect(bench.ask({ axis: 2 }, { model: "limnet_outlines", drawn: { foreground: everywhere }, to: app })).rejects.toMatchObject({ code: "bad_click", message: expect.stringContaining("36 clicks") });
  });

  test("or outlines have to be there", async () => {
    await expect(drawing({ object: new Uint8Array(voxels) })).rejects.toMatchObject({ code: "nothing_drawn", status: 400 });
  });
});

describe("the label volume of a client", () => {
  const wanted = (params: Record<string, unknown>) => bench.app.models.get("limnet_outlines")!.drawn!(params);
  const info = [{ name: "tumour", id: 1 }, { name: "background_scribbles", id: 2 }, { name: "foreground_scribbles", id: 3 }];

  test("is read by the values that label_info gives the selected label and the strokes", () => {
    expect(wanted({ selected_label_name: "Tumour", label: "other", label_info: info })).toEqual({ object: { segment: 1 }, covered: { segment: 1, covered: true }, foreground: { segment: 3 }, background: { segment: 2 } });
    expect(wanted({ label: "tumour", label_info: [{ name: "tumour", idx: 4 }] })).toEqual({ object: { segment: 4 }, covered: { segment: 4, covered: true } });
    expect(wanted({ label: "liver", label_info: info })).toEqual({ foreground: { segment: 3 }, background: { segment: 2 } });
  });

  test("without label_info holds the label of that name, or the only one", () => {
    expect(wanted({ label: "tumour" })).toEqual({ object: { label: "tumour" }, covered: { label: "tumour", covered: true } });
  });

  test("with a label_info that is no list is refused", () => {
    expect(() => wanted({ label_info: "tumour" })).toThrow(expect.objectContaining({ code: "bad_params" }));
  });
});
