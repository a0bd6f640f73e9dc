/**
 * schemathesis reads /openapi.json and asks the running server: what the description allows, what it forbids, and chains of requests
 * along its links. The server is whole but for the networks; schemathesis.toml and hooks.py beside this file say what is checked.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { LimnetApp } from "../../src/apps/limnet/app.js";
import { FakeEngine } from "../../src/apps/limnet/testing.js";
import { type Lab, openLab, shape, writeVolume } from "../protocol/harness.js";

const patience = 300_000;
let lab: Lab;
let url: string;
const serverErrors: string[] = [];

beforeAll(async () => {
  const note = (message: string, meta?: unknown) => {
    const { status } = (meta ?? {}) as { status?: number };
    if (status !== 501) serverErrors.push(`${message} ${JSON.stringify(meta)}`);
  };
  const log = { debug() {}, info() {}, warn() {}, error: note };
  lab = await openLab(undefined, {}, log, (folder) => new LimnetApp({
    name: "test app", description: "for tests", version: "0.0.0", labels: ["tumour"], stateDir: join(folder, ".limnet"), engine: new FakeEngine(shape),
  }));
  ({ url } = await lab.server.listen());
  await writeVolume(join(lab.folder, ".volume.nii.gz"));
});
afterAll(() => lab?.close());

/** Output and exit code of one run. */
function schemathesis(...args: string[]): Promise<{ code: number; output: string }> {
  const python = process.env.LIMNET_JUDGES_PYTHON;
  if (!python) {
    throw new Error("LIMNET_JUDGES_PYTHON is not set: run `npm test`, which makes a Python with the packages of scripts/judges/requirements.txt, or set it to such a Python.");
  }
  const env = { ...process.env, PYTHONPATH: import.meta.dirname, PYTHONDONTWRITEBYTECODE: "1", LIMNET_TEST_VOLUME: join(lab.folder, ".volume.nii.gz") };
  const config = join(import.meta.dirname, "schemathesis.toml");
  return new Promise((resolve) => {
    execFile(python, ["-m", "schemathesis.cli", "--config-file", config, "run", `${url}/openapi.json`, "--no-color", ...args],
      { cwd: lab.folder, env, timeout: patience, maxBuffer: 1e8 },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? -1) : 0, output: stdout + stderr }));
  });
}

it("finds no failure of the server and no answer that the description does not have", async () => {
  const { code, output } = await schemathesis();
  expect(code, output.slice(-8000)).toBe(0);
  expect(serverErrors).toEqual([]);
  // That it really walked: all operations, and requests that follow from replies.
  const [, selected, all] = /Selected: (\d+)\/(\d+)/.exec(output) ?? [];
  expect(selected).toBe(all);
  expect(/Tested: (\d+)/.exec(output)?.[1]).toBe(all);
  expect(Number(/API Links:\s+(\d+) covered/.exec(output)?.[1])).toBeGreaterThan(5);
}, patience + 10_000);
