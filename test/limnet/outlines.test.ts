/** An evening with a brush in 3D Slicer, on the bundled scan with the real engine and the networks of the repository (protocol 3.3, 4.1). */
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { silentLog } from "../../src/datastore/log.js";
import { encodeMask } from "../../src/imaging/mask.js";
import { readVolume } from "../../src/imaging/read.js";
import type { Volume } from "../../src/imaging/volume.js";
import { loadConfig } from "../../src/server/config.js";
import { type RunningServer, startServer } from "../../src/server/start.js";

const app = fileURLToPath(new URL("../../sample-apps/radiology", import.meta.url));
const image = "STS_009_MR_T1";

let studies: string;
let server: RunningServer;
let truth: Volume;
beforeAll(async () => {
  studies = await mkdtemp(join(tmpdir(), "limnet-outlines-"));
  await copyFile(join(app, "demo-studies", `${image}.nii.gz`), join(studies, `${image}.nii.gz`));
  truth = await readVolume(join(app, "demo-truth", `${image}.nii.gz`));
  server = await startServer(loadConfig({ app, studies, port: 0 }, {}), silentLog);
});
afterAll(async () => {
  await server.close();
  await rm(studies, { recursive: true, force: true });
});

const planeSize = () => truth.shape[0] * truth.shape[1];
const sliceOf = (mask: Uint8Array, slice: number) => mask.slice(slice * planeSize(), (slice + 1) * planeSize());
const truthMask = () => Uint8Array.from(truth.voxels, (voxel) => Number(voxel > 0));
function dice(a: Uint8Array, b: Uint8Array): number {
  const both = a.reduce((sum, voxel, at) => sum + voxel * b[at], 0);
  return (2 * both) / (a.reduce((sum, voxel) => sum + voxel, 0) + b.reduce((sum, voxel) => sum + voxel, 0));
}

/** What the module sends for the selected label: the label volume of all segments (voxel value 2 is the tumour), strokes included. */
async function send(model: string, params: object, label?: Uint8Array): Promise<Uint8Array> {
  const body = new FormData();
  body.append("params", JSON.stringify({ label: "tumour", client_id: "reader", result_extension: ".nrrd", ...params }));
  if (label) {
    const file = join(studies, ".label.nii.gz");
    await encodeMask(label, truth.shape, truth.geometry, ".nii.gz", file);
    body.append("label", new Blob([await readFile(file)]), "label.nii.gz");
  }
  const answer = await fetch(`${server.url}/infer/${model}?output=image&image=${image}`, { method: "POST", body });
  expect(answer.status, answer.ok ? "" : await answer.clone().text()).toBe(200);
  const saved = join(studies, ".mask.nrrd");
  await writeFile(saved, Buffer.from(await answer.arrayBuffer()));
  return Uint8Array.from((await readVolume(saved)).voxels);
}
const labelInfo = [{ name: "liver", id: 1 }, { name: "tumour", id: 2 }, { name: "background_scribbles", id: 3 }, { name: "foreground_scribbles", id: 4 }];
const draw = (label: Uint8Array) => send("limnet_outlines", { label_info: labelInfo, selected_label_name: "tumour", label: undefined }, label);

it("outlines of three slices become the whole object; what is mended by hand stays through later clicks, and an undo takes it back", async () => {
  const whole = truthMask();
  const held = Array.from({ length: truth.shape[2] }, (_, slice) => slice).filter((slice) => sliceOf(whole, slice).includes(1));
  const outlined = [0.15, 0.5, 0.85].map((share) => held[Math.round(share * (held.length - 1))]);
  const label = new Uint8Array(whole.length);
  for (const slice of outlined) label.set(sliceOf(whole, slice).map((voxel) => 2 * voxel), slice * planeSize());
  label.fill(1, 0, 5);
  const first = await draw(label);
  for (const slice of outlined) expect(sliceOf(first, slice)).toEqual(sliceOf(whole, slice));
  expect(dice(first, whole)).toBeGreaterThan(0.85);

  // A slice of the answer mended by hand, beside what the client shows of the others.
  const mended = outlined[1] + 3;
  const shown = first.map((voxel) => 2 * voxel);
  shown.set(sliceOf(whole, mended).map((voxel) => 2 * voxel), mended * planeSize());
  const second = await draw(shown);
  for (const slice of [...outlined, mended]) expect(sliceOf(second, slice)).toEqual(sliceOf(whole, slice));

  // Another organ that was painted over the tumour takes nothing from it.
  const covered = second.map((voxel, at) => (at % 3 === 0 ? 1 : 2 * voxel));
  expect(await draw(covered)).toEqual(second);

  // SmartEdit sends points and no masks.
  const clicked = await send("limnet", { foreground: [[51, 42, outlined[0] + 2]], background: [] });
  for (const slice of [...outlined, mended]) expect(sliceOf(clicked, slice)).toEqual(sliceOf(whole, slice));

  const undo = () => fetch(`${server.url}/limnet/v1/undo?image=${image}&label=tumour&client_id=reader&steps=1&output=json`, { method: "POST" });
  expect((await undo()).status).toBe(200);
  expect((await undo()).status).toBe(200);
  const rounds = await (await fetch(`${server.url}/limnet/v1/rounds?image=${image}&label=tumour&client_id=reader`)).json() as { rounds: { slice: number; clicks: unknown[] }[] };
  expect(rounds.rounds.map(({ slice, clicks }) => [slice, clicks.length])).toEqual([[outlined[2], 0]]);
});

it("a stroke of the brush is a click, and a label without outlines and strokes is refused with a sentence", async () => {
  const label = new Uint8Array(truth.voxels.length);
  label[51 + truth.shape[0] * (42 + truth.shape[1] * 64)] = 4;
  const stroked = await send("limnet_outlines", { label_info: labelInfo, selected_label_name: "tumour", client_id: "other" }, label);
  const clicked = await send("limnet", { foreground: [[51, 42, 64]], background: [], client_id: "third" });
  expect(stroked).toEqual(clicked);

  const body = new FormData();
  body.append("params", JSON.stringify({ label_info: labelInfo, selected_label_name: "tumour" }));
  const ask = () => fetch(`${server.url}/infer/limnet_outlines?image=${image}`, { method: "POST", body });
  const without = await ask();
  expect([without.status, await without.json()]).toEqual([400, { detail: expect.stringContaining("form part `label`") }]);
  await encodeMask(new Uint8Array(truth.voxels.length), truth.shape, truth.geometry, ".nii.gz", join(studies, ".empty.nii.gz"));
  body.append("label", new Blob([await readFile(join(studies, ".empty.nii.gz"))]), "label.nii.gz");
  const empty = await ask();
  expect([empty.status, await empty.json()]).toEqual([400, { detail: expect.stringContaining("Nothing is drawn") }]);
});
