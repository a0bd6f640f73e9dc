/** The path of docs/orthanc.md with a real Orthanc, a real server and the real engine: sent, next sample, clicks, saved, opened again. */
import { execFile } from "node:child_process";
import { mkdtemp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLog } from "../../src/datastore/log.js";
import { readLabelLayers } from "../../src/imaging/read.js";
import { loadConfig } from "../../src/server/config.js";
import { type RunningServer, startServer } from "../../src/server/start.js";
import { ctSeries, series, study } from "../archive/series.js";
import { sliceFile } from "../fixtures/dicom/make.js";
import { hasOrthanc, type Orthanc, password, startOrthanc, user } from "./orthanc.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
let folder: string;
let orthanc: Orthanc;
let server: RunningServer;

const start = () => startServer(loadConfig({
  app: join(root, "sample-apps", "radiology"), studies: orthanc.url, port: 0, state: join(folder, "state"), cacheFolder: join(folder, "cache"), archiveFresh: 0,
}, {}), silentLog);

describe.skipIf(!hasOrthanc)("a study that is in Orthanc", () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "limnet-orthanc-test-"));
    orthanc = await startOrthanc();
    process.env.LIMNET_DICOMWEB_USERNAME = user;
    process.env.LIMNET_DICOMWEB_PASSWORD = password;
    await mkdir(join(folder, "dicom"));
    for (const [n, { file }] of ctSeries(8, 64).entries()) await writeFile(join(folder, "dicom", `IM${n}`), file);
    await writeFile(join(folder, "dicom", "other.nii.gz"), "x");
    await writeFile(join(folder, "dicom", "cut"), ctSeries(9, 64)[8].file.subarray(0, 600));
    // Its UID is in the dataset only.
    await writeFile(join(folder, "dicom", "bare"), sliceFile(new Uint16Array(16), { rows: 4, columns: 4, more: { Modality: "OT" } }));
  });
  afterAll(async () => {
    await server?.close();
    await orthanc?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const get = async (path: string) => (await fetch(server.url + path)).json() as Promise<Record<string, unknown>>;
  const clicks = (foreground: number[][]) => {
    const form = new FormData();
    form.append("params", JSON.stringify({ foreground, background: [], label: "liver", result_extension: ".nrrd" }));
    return form;
  };

  it("got there with `limnet studies add`, which says what stays", async () => {
    const add = (address: string) => promisify(execFile)(process.execPath, ["--import", "tsx", join(root, "src", "cli.ts"), "studies", "add", join(folder, "dicom"), "--to", address], { cwd: root })
      .catch((error: { stdout: string; stderr: string }) => error);
    const { stdout, stderr } = await add(orthanc.url);
    expect(stdout).toMatch(/1 volume\(s\) .* stay here/);
    expect(stdout).toMatch(/9 of 10 DICOM files are in the archive/);
    expect(stderr).toMatch(/1 not: .*cut off.*\n {2}.*\/cut\n/);
    expect(stderr).toMatch(/^\[#{30}\] 9 of 10 files, \d+ MiB\/s, 1 failed$/m);
    expect((await add(orthanc.url.replace("dicom-web", ""))).stderr).toMatch(/9 not: .*root of its DICOMweb services/);
  });

  it("got there under a bar in one line of a terminal", async () => {
    const command = [process.execPath, "--import", "tsx", join(root, "src", "cli.ts"), "studies", "add", join(folder, "dicom"), "--to", orthanc.url].map((word) => `'${word}'`).join(" ");
    // The command of that name gives it a terminal.
    const { stdout } = await promisify(execFile)("script", ["-qec", `${command} 2>&1 || true`, "/dev/null"], { cwd: root });
    expect(stdout).toMatch(/\r\[#{30}\] 9 of 10 files, \d+ MiB\/s, 1 failed {3}\r?\n/);
  });

  it("is the next sample, clicked in rounds, saved, found in Orthanc, and opened again after a restart", async () => {
    server = await start();
    expect(await get("/datastore/")).toMatchObject({ total: 1, completed: 0 });
    const next = await (await fetch(`${server.url}/activelearning/first`, { method: "POST" })).json() as Record<string, unknown>;
    expect(next).toMatchObject({ id: series, StudyInstanceUID: study, Modality: "CT", PatientID: "T1" });
    let mask = Buffer.alloc(0);
    for (const foreground of [[[30, 30, 4]], [[30, 30, 4], [20, 34, 2]]]) {
      const answer = await fetch(`${server.url}/infer/limnet?image=${series}&output=image`, { method: "POST", body: clicks(foreground) });
      expect(answer.status).toBe(200);
      mask = Buffer.from(await answer.arrayBuffer());
    }
    const form = new FormData();
    form.append("label", new Blob([mask]), "label.nrrd");
    form.append("params", JSON.stringify({ label_info: [{ name: "liver", idx: 1 }], client_id: "reader" }));
    const saved = await (await fetch(`${server.url}/datastore/label?image=${series}&tag=final`, { method: "PUT", body: form })).json() as { archive: { state: string; SeriesInstanceUID: string } };
    expect(saved.archive.state).toBe("stored");
    const found = await (await fetch(`${server.url}/proxy/dicom/qido/series?Modality=SEG`)).json() as Record<string, { Value: string[] }>[];
    expect(found.map((one) => one["0020000E"].Value[0])).toEqual([saved.archive.SeriesInstanceUID]);
    expect(await get("/limnet/v1/outbox")).toEqual({ waiting: [] });
    await server.close();
    server = await start();
    expect(await get("/datastore/")).toMatchObject({ total: 1, completed: 1 });
    const label = Buffer.from(await (await fetch(`${server.url}/datastore/label?label=${series}&tag=final`)).arrayBuffer());
    expect(label.equals(mask)).toBe(true);
    expect(await (await fetch(`${server.url}/metrics`)).text()).toContain('limnet_outbox_labels{state="waiting"} 0');
  });

  it("has labels that `limnet export` writes as files for other programs, beside the running server", async () => {
    const out = join(folder, "exported");
    for (const format of ["dicom_seg", "rtstruct", "seg.nrrd", "nii.gz"]) {
      const flags = ["--app", join(root, "sample-apps", "radiology"), "--studies", orthanc.url, "--state", join(folder, "state"), "--format", format];
      const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", join(root, "src", "cli.ts"), "export", out, ...flags], { cwd: root, env: { ...process.env, LIMNET_CACHE: join(folder, "cache") } });
      expect(stdout).toMatch(/1 label\(s\) written/);
    }
    expect((await readdir(out)).sort()).toEqual(["nii.gz", "rtstruct.dcm", "seg.dcm", "seg.nrrd"].map((ext) => `${series}.final.${ext}`));
    const path = join(folder, "saved.nrrd");
    await writeFile(path, Buffer.from(await (await fetch(`${server.url}/datastore/label?label=${series}&tag=final`)).arrayBuffer()));
    const saved = await readLabelLayers(path);
    const rounded = ({ geometry }: typeof saved) => geometry.affine.map((number) => Math.round(number * 1e4));
    expect(saved.layers[0].some((value) => value === 1)).toBe(true);
    for (const ext of ["seg.nrrd", "nii.gz"]) {
      const label = await readLabelLayers(join(out, `${series}.final.${ext}`));
      expect([label.shape, rounded(label)]).toEqual([saved.shape, rounded(saved)]);
      expect(label.layers.map((layer) => layer.every((value, at) => value === saved.layers[0][at]))).toEqual([true]);
    }
    expect((await readLabelLayers(join(out, `${series}.final.seg.nrrd`))).segments.map(({ name }) => name)).toEqual(["liver"]);
  });

  it("is shown to viewers through the proxy, without the archive's credentials", async () => {
    const metadata = await fetch(`${server.url}/proxy/dicom/wado/studies/${study}/series/${series}/metadata`);
    expect(await metadata.json()).toHaveLength(8);
    const frames = await fetch(`${server.url}/proxy/dicom/wado/studies/${study}/series/${series}`, { headers: { Accept: 'multipart/related; type="application/dicom"; transfer-syntax=*' } });
    expect(frames.headers.get("content-type")).toMatch(/multipart\/related/);
    expect((await frames.arrayBuffer()).byteLength).toBeGreaterThan(8 * 64 * 64 * 2);
    expect((await fetch(`${server.url}/proxy/dicom/qido/../../system`)).status).toBe(404);
    expect((await fetch(`${server.url}/proxy/dicom/qido/patients`)).status).toBe(404);
  });

  it("takes what viewers store through the proxy, and refuses what is no DICOM", async () => {
    const other = `${series.slice(0, -1)}7`;
    const file = Buffer.from(ctSeries(1, 32)[0].file.toString("latin1").replaceAll(series, other), "latin1");
    const body = (content: Buffer) => Buffer.concat([Buffer.from("--x\r\nContent-Type: application/dicom\r\n\r\n"), content, Buffer.from("\r\n--x--\r\n")]);
    const send = (content: Buffer, type: string) => fetch(`${server.url}/proxy/dicom/stow/studies`, { method: "POST", headers: { "Content-Type": type, Accept: "application/dicom+json" }, body: content });
    const type = 'multipart/related; type="application/dicom"; boundary=x';
    const answer = await send(body(file), type);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain(`${other}.1`);
    const found = await (await fetch(`${server.url}/proxy/dicom/qido/studies/${study}/series?SeriesInstanceUID=${other}`)).json() as unknown[];
    expect(found).toHaveLength(1);
    expect((await send(body(file), "text/plain")).status).toBe(400);
    expect((await send(body(Buffer.from("no DICOM")), type)).status).toBeGreaterThanOrEqual(400);
  });

  it("needs the configuration and the commands that docs/orthanc.md shows", async () => {
    const page = await readFile(join(root, "docs", "orthanc.md"), "utf8");
    expect(page).toContain(await readFile(join(root, "test", "orthanc", "orthanc.json"), "utf8"));
    for (const words of ["limnet studies add", "LIMNET_DICOMWEB_USERNAME", "LIMNET_DICOMWEB_PASSWORD_FILE", "/limnet/v1/outbox", "--cache-size"]) expect(page).toContain(words);
  });
});
