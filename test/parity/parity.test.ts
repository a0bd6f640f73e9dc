/** The training code (Python) and the runtime must see the same pixels: both are held against one fixture (training/tests/make_fixtures.py). */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { drawDisks } from "../../src/apps/limnet/click/disks.js";
import { floodMap } from "../../src/apps/limnet/click/flood.js";
import { geodesicMap } from "../../src/apps/limnet/click/geodesic.js";
import { keepLocal } from "../../src/apps/limnet/click/local.js";
import { trimmed } from "../../src/apps/limnet/click/trim.js";
import { boxAbove, overlap, squareAround } from "../../src/apps/limnet/click/zoom.js";
import { denoised, noiseOf, smooth } from "../../src/apps/limnet/denoise.js";
import { chooseWindow } from "../../src/apps/limnet/prepare.js";
import { testSettings } from "../../src/apps/limnet/testing.js";
import { neighbourMaps } from "../../src/apps/limnet/propagation/seeds.js";
import { extract, paste, type View } from "../../src/apps/limnet/view.js";
import { walk } from "../../src/apps/limnet/walker/walker.js";
import { nextClick } from "../../src/evaluate/robot.js";

const fixture = JSON.parse(readFileSync(new URL("./fixture.json", import.meta.url), "utf8"));
const { size } = fixture;
const view = ([row, col, side]: number[]): View => ({ row, col, side });
const plane = { data: Float32Array.from(fixture.plane.data), rows: fixture.plane.rows, cols: fixture.plane.cols };

function close(got: ArrayLike<number>, want: ArrayLike<number>, tolerance = 2e-5): void {
  expect(got.length).toBe(want.length);
  let worst = 0;
  for (let i = 0; i < got.length; i++) worst = Math.max(worst, Math.abs(got[i] - want[i]));
  expect(worst).toBeLessThan(tolerance);
}

describe("Python and TypeScript agree", () => {
  it("on the view of a slice, inside, shrunk and beyond its border", () => {
    for (const { view: v, data } of fixture.extract) close(extract(plane, view(v), size), data);
  });

  it("on pasting a map back", () => {
    const out = { data: new Float32Array(plane.data.length).fill(-1), rows: plane.rows, cols: plane.cols };
    paste(Float32Array.from(fixture.paste.patch), size, view(fixture.paste.view), out);
    close(out.data, fixture.paste.data);
  });

  it("on smoothing, disks, geodesic and flood maps", () => {
    const smoothed = smooth(extract(plane, view(fixture.extract[1].view), size), size);
    close(smoothed, fixture.smooth);
    const clicks = fixture.clicks.map(([row, col]: number[]) => ({ row, col }));
    close(drawDisks(clicks, size, fixture.disks.radius), fixture.disks.data);
    close(floodMap(smoothed, size, clicks, fixture.flood.scale), fixture.flood.data);
    for (const { weight, scale, data } of fixture.geodesic) close(geodesicMap(smoothed, size, clicks, { weight, scale }), data);
  });

  it("on what a neighbour's mask says of the next slice", () => {
    const image = extract(plane, view(fixture.extract[1].view), size);
    const geodesic = fixture.geodesic.map(({ weight, scale }: { weight: number; scale: number }) => ({ weight, scale }));
    const settings = { ...testSettings, click: { ...testSettings.click, geodesic }, propagation: { ...testSettings.propagation, transfer: fixture.neighbour.transfer } };
    const { before, previous, data } = fixture.neighbour;
    close(neighbourMaps(image, Float32Array.from(before), Float32Array.from(previous), size, settings), data);
  });

  it("on the robot's clicks", () => {
    const { rows, cols } = plane;
    const before: { row: number; col: number }[] = [];
    for (const [row, col, positive] of fixture.robot.clicks) {
      const click = nextClick({ data: Uint8Array.from(fixture.robot.truth), rows, cols }, fixture.robot.mask, before);
      expect(click).toEqual({ row, col, positive });
      before.push({ row, col });
    }
  });

  it("on what a negative click to one side of a leaked mask leaves of it", () => {
    const { rows, cols } = plane;
    const cases = fixture.trimmed.cases as { click: [number, number, boolean]; left: number[] | null }[];
    for (const { click: [row, col, positive], left } of cases) {
      const got = trimmed({ data: fixture.trimmed.before, rows, cols }, { row, col, positive });
      expect(got === null, `click at ${row}, ${col}`).toBe(left === null);
      if (got !== null && left !== null) close(got.data, left);
    }
    // It says something of both answers.
    expect(cases.filter(({ left }) => left !== null).length).toBeGreaterThan(3);
    expect(cases.filter(({ left }) => left === null).length).toBeGreaterThan(3);
  });

  it("on what a late click changes", () => {
    const { rows, cols } = plane;
    const cases = fixture.local.cases as { click: [number, number, boolean]; left: number[] }[];
    for (const { click: [row, col, positive], left } of cases) {
      const got = Float32Array.from(fixture.local.after as number[]);
      keepLocal({ data: fixture.trimmed.before, rows, cols }, { data: got, rows, cols }, { row, col, positive });
      close(got, left);
    }
    // It says something of clicks that take all and of clicks that do not.
    expect(new Set(cases.map(({ left }) => left.join())).size).toBeGreaterThan(3);
  });

  it("on boxes and the overlap of views", () => {
    const box = boxAbove({ data: fixture.robot.mask, rows: plane.rows, cols: plane.cols }, 0.5);
    if (box === null) throw new Error("the fixture's mask is empty");
    const around = { top: Math.min(box.top, 2), left: Math.min(box.left, 3), bottom: Math.max(box.bottom, 2), right: Math.max(box.right, 3) };
    const got = squareAround(around, fixture.boxView, Math.max(plane.rows, plane.cols));
    close([got.row, got.col, got.side], fixture.boxView.view);
    expect(overlap(view(fixture.extract[1].view), view([2, 5, 14]))).toBeCloseTo(fixture.overlap, 9);
  });

  it("on the random walker, to a grey step of the stored probabilities", async () => {
    const { shape: [count, rows, cols], grey, guess, prompts, corrected, outlined, settings, result } = fixture.walker;
    const size = rows * cols;
    const planes = (from: number[]) => Array.from({ length: count }, (_, n) => Uint8Array.from(from.slice(n * size, (n + 1) * size)));
    const slices = planes(grey);
    const source = { count, rows, cols, identity: "fixture", plane: (n: number) => ({ data: slices[n], rows, cols }) };
    const out = await walk({ source, planes: planes(guess), prompts: new Set<number>(prompts), corrected: new Set<number>(corrected), outlined: new Set<number>(outlined), settings });
    const got = out.flatMap((plane) => [...(plane ?? new Uint8Array(size))]);
    close(got, result, 1.6);
    expect(Math.max(...got.map((p, i) => Math.abs(p - guess[i])))).toBeGreaterThan(60);
  });

  it("on the noise of slices, and on what smoothing leaves of it", () => {
    const { rows, cols } = plane;
    const { grey, noise, once, thrice } = fixture.denoise;
    const noisy = { data: Uint8Array.from(grey as number[]), rows, cols };
    const turned = { data: Uint8Array.from({ length: 21 * rows }, (_, i) => noisy.data[(i % rows) * cols + Math.floor(i / rows)]), rows: 21, cols: rows };
    expect(noiseOf([noisy, turned])).toBeCloseTo(noise, 6);
    expect([...denoised(noisy, 1).data]).toEqual(once);
    expect([...denoised(noisy, 3).data]).toEqual(thrice);
  });

  it("on the window of grey values", () => {
    const { voxels, low_high: want } = fixture.window;
    const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] as const;
    const volume = { voxels: Float32Array.from(voxels), shape: [7, 6, 5] as const, geometry: { affine }, slope: 1, intercept: 0 };
    close(chooseWindow(volume), want, 1e-3);
  });
});
