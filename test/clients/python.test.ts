/** The client of the PyPI package `monailabel`, which Slicer's is a copy of, through all its methods against a running server. */
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServerProcess } from "../../src/demo/server-process.js";
import { readVolume } from "../../src/imaging/read.js";
import { addToken } from "../../src/server/auth/tokens.js";

const app = fileURLToPath(new URL("../../sample-apps/radiology", import.meta.url));
const scan = join(app, "demo-studies", "STS_009_MR_T1.nii.gz");
const script = fileURLToPath(new URL("python_client.py", import.meta.url));

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- JSON of another program; the expectations below say its shape
type Report = Record<string, any>;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-client-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function drive(name: string, flags: string[] = [], login: string[] = []): Promise<Report> {
  const python = process.env.LIMNET_JUDGES_PYTHON;
  if (!python) throw new Error("LIMNET_JUDGES_PYTHON is not set: run `npm test`, which makes a Python with the client in it.");
  const studies = join(folder, name, "studies");
  const work = join(folder, name, "work");
  await mkdir(studies, { recursive: true });
  await mkdir(work);
  await copyFile(scan, join(studies, "first scan.nii.gz"));
  const server = await startServerProcess(["--app", app, "--studies", studies, "--port", "0", ...flags]);
  try {
    const { stdout } = await promisify(execFile)(python, [script, server.url, scan, work, ...login], { timeout: 240_000, maxBuffer: 1e8 });
    return JSON.parse(stdout) as Report;
  } finally {
    await server.close();
  }
}

describe("the client of the package monailabel", () => {
  let got: Report;
  beforeAll(async () => {
    got = await drive("open");
  }, 300_000);

  it("sees no login where none is asked for", () => {
    expect(got.auth_enabled).toBe(false);
  });

  it("reads what the server can do", () => {
    expect(got.info.models.limnet).toMatchObject({ type: "deepgrow", dimension: 3, labels: expect.anything(), config: { device: expect.any(Array) } });
    expect(got.info.labels).toContain("tumour");
    expect(got.info.trainers).toEqual({});
  });

  it("uploads an image and gets a sample", () => {
    expect(got.upload).toEqual({ image: "uploaded scan" });
    expect(["first scan", "uploaded scan"]).toContain(got.sample.id);
    expect(got.sample.name).toMatch(/\.nii\.gz$/);
  });

  it("opens a session, finds it again, and closes it", () => {
    expect(got.session.session_id).toBe(got.session.session_info.name);
    expect(got.session_again.image).toMatch(/\.nii\.gz$/);
    expect(got.session_again.expiry).toBe(3600);
    expect(got.session_gone).toContain("Not Found");
  });

  it("gets masks for an image, a session and a file", async () => {
    expect(got.infer.file).toMatch(/\.nrrd$/);
    expect(got.infer.params.label_names).toEqual(["tumour"]);
    const { shape: grid } = await readVolume(scan);
    const mask = await readVolume(got.infer.path as string);
    expect(mask.shape).toEqual(grid);
    expect(mask.voxels.some((v) => v === 1)).toBe(true);
    expect(got.infer_session.bytes).toBeGreaterThan(100);
    expect(got.infer_file.file).toMatch(/\.nii\.gz$/);
  });

  it("is told in words what was wrong", () => {
    expect(got.infer_unknown_model).toMatch(/Status: 404.*nonsense/);
    expect(got.infer_unknown_image).toMatch(/Status: 404.*no such image/);
    expect(got.infer_bad_click).toMatch(/Status: 4\d\d.*4000/);
  });

  it("saves labels and fetches them byte for byte", () => {
    expect(got.save).toMatchObject({ image: "uploaded scan", label: "uploaded scan" });
    expect(got.download).toEqual({ suffix: ".nrrd", same: true });
    expect(Object.keys(got.datastore.objects["uploaded scan"].labels).sort()).toEqual(["final", "version_1"]);
    expect(got.datastore.objects["uploaded scan"].labels.final.info.client_id).toBe("reader-1");
  });

  it("finds nothing to train and no slides", () => {
    expect(got.train_running).toBe(false);
    expect(got.train_status).toMatch(/404/);
    expect(got.train_start).toMatch(/Status: (404|501).*[Tt]rain/);
    expect(got.wsi).toMatch(/Status: 501/);
  });
});

describe("the client of the package monailabel, with a login", () => {
  it("does everything after its login, also with the headers of earlier uploads sent along", async () => {
    const tokens = join(folder, "tokens.json");
    const token = await addToken(tokens, "anna", ["admin"]);
    const got = await drive("login", ["--auth", "--tokens", tokens], ["anna", token]);
    expect(got).toMatchObject({ auth_enabled: true, auth_valid_before: false, auth_valid: true });
    expect(got.before_login).toMatch(/401/);
    expect(got.wrong_password).toMatch(/401/);
    expect(got.infer.params.label_names).toEqual(["tumour"]);
    expect(got.download).toEqual({ suffix: ".nrrd", same: true });
    expect(got.session_gone).toContain("Not Found");
  }, 300_000);
});
