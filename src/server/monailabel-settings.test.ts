import { execFile } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadConfig } from "./config.js";
import { envFileSettings, idleNotes, writeEnvFile } from "./monailabel-settings.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-env-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** The command line in a process of its own, in the folder. */
async function limnet(...args: string[]): Promise<{ code: number; out: string }> {
  const { LIMNET_HOST: _host, MONAI_LABEL_STUDIES: _studies, MONAI_LABEL_APP_DIR: _app, ...env } = process.env;
  const run = promisify(execFile)(process.execPath, ["--import", join(root, "node_modules/tsx/dist/loader.mjs"), join(root, "src/cli.ts"), ...args], { cwd: folder, env });
  return run.then(({ stdout, stderr }) => ({ code: 0, out: stderr + stdout }), ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, out: stderr + stdout }));
}
const app = join(root, "sample-apps", "radiology");

describe("what comes from MONAI Label", () => {
  it("is told which of its options and settings change nothing here, and what holds instead", () => {
    const notes = idleNotes({ workers: "2", access_log: true, port: "8000" }, { MONAI_LABEL_STUDIES: "x", MONAI_LABEL_DATASTORE_FILE_EXT: "[]", MONAI_LABEL_DICOMWEB_PASSWORD: "p", MONAI_LABEL_NEW: "1", MONAI_LABEL_TRACKING_URI: "" });
    expect(notes).toEqual([
      expect.stringMatching(/^--workers changes nothing here: .*limnet worker/), expect.stringMatching(/^--access_log changes nothing/),
      expect.stringMatching(/^MONAI_LABEL_DATASTORE_FILE_EXT changes nothing here: .*\.nrrd/), "MONAI_LABEL_NEW changes nothing here, it is not known.",
    ]);
    expect(notes.join()).not.toContain("PASSWORD");
  });

  it("may be a whole command line: it starts, and --dryrun writes the settings without passwords for the next start", async () => {
    const line = ["start_server", "-a", app, "-s", join(folder, "scans"), "-c", "models", "all", "-i", "127.0.0.1", "-p", "8123", "-v", "INFO", "--workers", "2", "--limit_concurrency", "9", "--log_level", "info",
      "--access_log", "--root_path", "/seg", "--ssl_keyfile_password", "hidden", "--dryrun"];
    const { code, out } = await limnet(...line);
    expect([code, out]).toEqual([0, expect.stringMatching(/--workers changes nothing[^]*settings can be used/)]);
    const written = await readFile(join(folder, ".env"), "utf8");
    expect(written).not.toContain("hidden");
    expect((await stat(join(folder, ".env"))).mode & 0o077).toBe(0);
    expect(envFileSettings(join(folder, ".env"), {})).toMatchObject({ MONAI_LABEL_APP_DIR: app, MONAI_LABEL_STUDIES: join(folder, "scans"), MONAI_LABEL_APP_CONF: '{"models":"all"}', MONAI_LABEL_SERVER_PORT: "8123" });
    // Read again by a command that was told nothing.
    expect(await limnet("start_server", "--dryrun")).toMatchObject({ code: 0 });
    expect((await limnet("-v")).out).toMatch(/^\d+\.\d+\.\d+/);
  }, 180_000);

  it("may keep settings in .env: the environment wins, other variables stay out, and a file that others may write is refused", async () => {
    const file = join(folder, ".env");
    expect(envFileSettings(file, {})).toEqual({});
    await writeFile(file, "export LIMNET_HOST='127.0.0.2'\nMONAI_LABEL_SERVER_PORT=9\nPATH=/evil\nNODE_OPTIONS=--x\n", { mode: 0o600 });
    expect(envFileSettings(file, { MONAI_LABEL_SERVER_PORT: "8" })).toEqual({ LIMNET_HOST: "127.0.0.2" });
    await chmod(file, 0o666);
    expect(() => envFileSettings(file, {})).toThrow(/others may write/);
    await writeFile(file, "PATH=/evil\n");
    expect(envFileSettings(file, {})).toEqual({});
  });

  it("is not written where a value would end the line of the shell", async () => {
    await expect(writeEnvFile(join(folder, ".env"), loadConfig({ app: "it's", studies: folder }, {}))).rejects.toThrow(/MONAI_LABEL_APP_DIR holds a quote/);
  });
});
