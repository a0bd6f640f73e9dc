/** A click on DICOM, with the real networks: a folder of the studies, a session, and a single file sent along. */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLog } from "../../src/datastore/log.js";
import { sameGrid } from "../../src/imaging/geometry.js";
import { readVolume } from "../../src/imaging/read.js";
import type { Volume } from "../../src/imaging/volume.js";
import { readSeries } from "../../src/dicom/series.js";
import { loadConfig } from "../../src/server/config.js";
import { type RunningServer, startServer } from "../../src/server/start.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const fixtures = join(root, "test", "fixtures", "dicom");
let studies: string;
let server: RunningServer;

beforeAll(async () => {
  studies = await mkdtemp(join(tmpdir(), "limnet-dicom-infer-"));
  for (const name of ["mr_series_j2k", "mr_oblique_t2"]) await cp(join(fixtures, name), join(studies, name), { recursive: true });
  server = await startServer(loadConfig({ app: join(root, "sample-apps", "radiology"), studies, port: 0 }, {}), silentLog);
}, 120_000);
afterAll(async () => {
  await server?.close();
  await rm(studies ?? "", { recursive: true, force: true });
});

const seriesOf = async (name: string) => {
  const files = await Promise.all((await readdir(join(fixtures, name))).sort().map((file) => readFile(join(fixtures, name, file))));
  return { files, volume: (await readSeries(files)).volumes[0].volume };
};

/** The mask of one click, as a client gets it. */
async function click(query: string, voxel: readonly number[], file?: Buffer): Promise<Volume> {
  const form = new FormData();
  form.append("params", JSON.stringify({ foreground: [voxel], label: "tumour", result_extension: ".nrrd" }));
  if (file) form.append("file", new Blob([new Uint8Array(file)]), "IM1.dcm");
  const answer = await fetch(`${server.url}/infer/limnet?output=image${query}`, { method: "POST", body: form });
  expect(answer.status, answer.ok ? "" : await answer.clone().text()).toBe(200);
  const path = join(studies, ".mask.nrrd");
  await writeFile(path, Buffer.from(await answer.arrayBuffer()));
  return readVolume(path);
}

const at = ({ voxels, shape }: Volume, [i, j, k]: readonly number[]) => voxels[i + shape[0] * (j + shape[1] * k)];

describe("a click on DICOM", () => {
  it("in a folder of the studies gives a mask on the grid of the series", async () => {
    const info = (await (await fetch(`${server.url}/datastore/`)).json()) as { total: number };
    expect(info.total).toBe(2);
    const { volume } = await seriesOf("mr_oblique_t2");
    const voxel = [30, 28, 9];
    const mask = await click("&image=mr_oblique_t2", voxel);
    expect(sameGrid(mask, volume)).toBe(true);
    expect(at(mask, voxel)).toBe(1);
  }, 120_000);

  it("in compressed files works the same, and the label is saved beside them", async () => {
    const { volume } = await seriesOf("mr_series_j2k");
    const mask = await click("&image=mr_series_j2k", [120, 110, 2]);
    expect(sameGrid(mask, volume)).toBe(true);
    const form = new FormData();
    form.append("label", new Blob([new Uint8Array(await readFile(join(studies, ".mask.nrrd")))]), "label.nrrd");
    expect((await fetch(`${server.url}/datastore/label?image=mr_series_j2k&tag=final`, { method: "PUT", body: form })).status).toBe(200);
    expect(sameGrid(await readVolume(join(studies, "labels", "final", "mr_series_j2k.nrrd")), volume)).toBe(true);
    const image = await fetch(`${server.url}/datastore/image?image=mr_series_j2k`);
    expect([image.status, image.headers.get("content-disposition")]).toEqual([200, expect.stringContaining("mr_series_j2k.nrrd")]);
    await image.arrayBuffer();
  }, 120_000);

  it("in a session of uploaded files works as well", async () => {
    const { files, volume } = await seriesOf("mr_series_jpegls");
    const form = new FormData();
    for (const [n, file] of files.entries()) form.append("files", new Blob([new Uint8Array(file)]), `C:\\Scans\\IM${n}`);
    const lent = await fetch(`${server.url}/session/`, { method: "PUT", body: form });
    const { session_id: id } = (await lent.json()) as { session_id: string };
    const mask = await click(`&session_id=${id}`, [120, 110, 1]);
    expect(sameGrid(mask, volume)).toBe(true);
    expect(at(mask, [120, 110, 1])).toBe(1);
  }, 120_000);

  it("in a file sent with the click needs nothing else", async () => {
    const [file] = (await seriesOf("ct_j2k_series")).files;
    expect((await click("", [200, 250, 0], file)).shape).toEqual([512, 512, 1]);
  }, 120_000);

  it("in pixels that have no decoder here says what to ask for", async () => {
    const name = (await readdir(join(fixtures, "transfer_syntax_ct"))).find((one) => one.endsWith("4.51.dcm"))!;
    const form = new FormData();
    form.append("file", new Blob([new Uint8Array(await readFile(join(fixtures, "transfer_syntax_ct", name)))]), name);
    const answer = await fetch(`${server.url}/infer/limnet`, { method: "POST", body: form });
    expect([answer.status, await answer.json()]).toEqual([422, expect.objectContaining({ detail: expect.stringContaining("Explicit VR Little Endian") as string })]);
  });
});
