/**
 * schemathesis reads /openapi.json and asks the running server: what the description allows, what it forbids, and chains of requests
 * along its links. The server is whole but for the networks; schemathesis.toml and hooks.py beside this file say what is checked.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { LimnetApp } from "../../src/apps/limnet/app.js";
import { FakeEngine } from "../../src/apps/limnet/testing.js";
import { addToken } from "../../src/server/auth/tokens.js";
import type { ConfigInput } from "../../src/server/config.js";
import { type Lab, openLab, shape, writeVolume } from "../protocol/harness.js";

const patience = 300_000;
let folder: string;
let token: string;
let lab: Lab;
let url: string;
let guarded: Lab;
let guardedUrl: string;
const serverErrors: string[] = [];
/** Requests that were refused for want of a login. */
let refused = 0;

/** A server that is whole but for the networks. */
async function open(settings: ConfigInput = {}): Promise<Lab> {
  const note = (message: string, meta?: unknown) => {
    const { status } = (meta ?? {}) as { status?: number };
    if (status !== 501) serverErrors.push(`${message} ${JSON.stringify(meta)}`);
  };
  const count = (_message: string, meta?: unknown) => {
    if ((meta as { status?: number } | undefined)?.status === 401) refused++;
  };
  const log = { debug() {}, info: count, warn() {}, error: note };
  const opened = await openLab(undefined, settings, log, (folder) => new LimnetApp({
    name: "test app", description: "for tests", version: "0.0.0", labels: ["tumour"], stateDir: join(folder, ".limnet"), engine: new FakeEngine(shape),
  }));
  return opened;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-schemathesis-"));
  await writeVolume(join(folder, "volume.nii.gz"));
  const tokens = join(folder, "tokens.json");
  token = await addToken(tokens, "root", ["admin"]);
  lab = await open();
  ({ url } = await lab.server.listen());
  // What guesses tokens would be stopped soon; here it shall go on.
  guarded = await open({ auth: true, tokens, failedLogins: 0 });
  ({ url: guardedUrl } = await guarded.server.listen());
});
afterAll(async () => {
  await lab?.close();
  await guarded?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Output and exit code of one run. */
function schemathesis(on: Lab, url: string, ...args: string[]): Promise<{ code: number; output: string }> {
  const python = process.env.LIMNET_JUDGES_PYTHON;
  if (!python) {
    throw new Error("LIMNET_JUDGES_PYTHON is not set: run `npm test`, which makes a Python with the packages of scripts/judges/requirements.txt, or set it to such a Python.");
  }
  const env = { ...process.env, PYTHONPATH: import.meta.dirname, PYTHONDONTWRITEBYTECODE: "1", LIMNET_TEST_VOLUME: join(folder, "volume.nii.gz") };
  const config = join(import.meta.dirname, "schemathesis.toml");
  return new Promise((resolve) => {
    execFile(python, ["-m", "schemathesis.cli", "--config-file", config, "run", `${url}/openapi.json`, "--no-color", ...args],
      { cwd: on.folder, env, timeout: patience, maxBuffer: 1e8 },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? -1) : 0, output: stdout + stderr }));
  });
}

/** That it really walked: all operations, and requests that follow from replies. */
function expectAll(output: string): void {
  const [, selected, all] = /Selected: (\d+)\/(\d+)/.exec(output) ?? [];
  expect(selected).toBe(all);
  expect(/Tested: (\d+)/.exec(output)?.[1]).toBe(all);
}

it("finds no failure of the server and no answer that the description does not have", async () => {
  const { code, output } = await schemathesis(lab, url);
  expect(code, output.slice(-8000)).toBe(0);
  expect(serverErrors).toEqual([]);
  expectAll(output);
  expect(Number(/API Links:\s+(\d+) covered/.exec(output)?.[1])).toBeGreaterThan(5);
}, patience + 10_000);

it("finds none where a login is asked for, with a token and without, and nothing that answers to whoever has none", async () => {
  const { code, output } = await schemathesis(guarded, guardedUrl, "--max-examples", "3", "--phases", "examples,coverage,fuzzing", "--header", `Authorization: Bearer ${token}`);
  expect(code, output.slice(-8000)).toBe(0);
  expect(serverErrors).toEqual([]);
  expectAll(output);
  // That it also asked without the token. Which routes refuse whom: test/auth/roles.test.ts.
  expect(refused).toBeGreaterThan(10);
}, patience + 10_000);
