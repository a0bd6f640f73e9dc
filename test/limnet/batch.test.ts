/** Batch inference on the bundled scan with the real engine and the networks of the repository (protocol 1.6). */
import { copyFile, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { silentLog } from "../../src/datastore/log.js";
import { readVolume } from "../../src/imaging/read.js";
import { loadConfig } from "../../src/server/config.js";
import { type RunningServer, startServer } from "../../src/server/start.js";

const app = fileURLToPath(new URL("../../sample-apps/radiology", import.meta.url));
/** Two slices through the tumour of the scan. */
const clicks = [[51, 42, 64], [50, 42, 70]];

let studies: string;
let server: RunningServer;
beforeEach(async () => {
  studies = await mkdtemp(join(tmpdir(), "limnet-batch-"));
  for (const name of ["clicked", "untouched"]) await copyFile(join(app, "demo-studies", "STS_009_MR_T1.nii.gz"), join(studies, `${name}.nii.gz`));
  server = await open();
});
afterEach(async () => {
  await server.close();
  await rm(studies, { recursive: true, force: true });
});
const open = () => startServer(loadConfig({ app, studies, port: 0 }, {}), silentLog);

async function ask(path: string, init?: RequestInit): Promise<Response> {
  const answer = await fetch(`${server.url}${path}`, init);
  expect(answer.status, answer.ok ? "" : await answer.clone().text()).toBe(200);
  return answer;
}
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the expectations below say its shape
const json = async (path: string, init?: RequestInit) => (await ask(path, init)).json() as Promise<any>;

async function voxelsOf(answer: Response): Promise<Uint8Array> {
  const file = join(studies, ".mask.nrrd");
  await writeFile(file, Buffer.from(await answer.arrayBuffer()));
  return Uint8Array.from((await readVolume(file)).voxels);
}

/** What the client who clicked has on the screen. */
async function segment(): Promise<Uint8Array> {
  const body = new FormData();
  body.append("params", JSON.stringify({ foreground: clicks, label: "tumour", client_id: "reader", result_extension: ".nrrd" }));
  return voxelsOf(await ask("/infer/limnet?output=image&image=clicked", { method: "POST", body }));
}

/** Leaves only the journals, as where the masks were lost: what comes then was computed. */
async function forgetMasks(): Promise<number> {
  const names = (await readdir(join(studies, ".limnet", "objects"), { recursive: true })).filter((name) => /\.gz(\.mask)?$/.test(name));
  for (const name of names) await rm(join(studies, ".limnet", "objects", name));
  return names.length;
}

it("batch inference does the stored clicks again on the real networks, and lists images without clicks", async () => {
  const mask = await segment();
  expect(mask.filter(Boolean).length).toBeGreaterThan(1000);

  const { rounds } = await json("/limnet/v1/rounds?image=clicked&label=tumour&client_id=reader");
  expect(rounds.map(({ slice }: { slice: number }) => slice)).toEqual([64, 70]);
  const both = (rounds[1].slices as { index: number; disagreement?: number }[]).filter(({ disagreement }) => disagreement !== undefined);
  expect(both.length).toBeGreaterThan(0);
  for (const { index, disagreement } of both) expect([index > 64 && index < 70, disagreement! >= 0 && disagreement! <= 1]).toEqual([true, true]);

  await server.close();
  expect(await forgetMasks()).toBeGreaterThan(1);
  server = await open();
  await ask("/batch/infer/limnet", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ result_extension: ".nrrd" }) });
  await expect.poll(async () => (await json("/batch/infer")).status, { timeout: 60_000, interval: 200 }).not.toMatch(/SUBMITTED|RUNNING/);
  const { status, progress, details } = await json("/batch/infer");
  expect([status, progress]).toEqual(["DONE", { done: 1, total: 2, skipped: 1, skipped_images: ["untouched"], failed: {} }]);
  expect(details.at(-1)).toBe("1 of 2 images done, 1 without stored clicks skipped, 0 failed");

  const { objects } = await json("/datastore/?output=all");
  expect(objects.untouched.labels).toEqual({});
  expect(objects.clicked.labels.original.info).toMatchObject({
    model: "limnet", params: { label_names: { tumour: 1 }, limnet: { objects: [{ label: "tumour", run: 2, clicks: 2 }] } },
  });
  const label = await voxelsOf(await ask("/datastore/label?label=clicked&tag=original"));
  expect(Buffer.compare(label, mask)).toBe(0);
}, 120_000);
