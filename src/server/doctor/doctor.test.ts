import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { examine } from "./command.js";
import { asText, exitCode } from "./findings.js";
import { checkMemory, checkModels, checkNode, checkOnnx, checkPort } from "./machine.js";
import { checkArchive, checkDisk, checkRedis, checkState, checkStudies } from "./surroundings.js";

let folder: string;
const servers: Server[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-doctor-"));
});
afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  await rm(folder, { recursive: true, force: true });
});

/** An HTTP server that answers with this status; its port. */
async function answering(status: number): Promise<number> {
  const server = createServer((_req, res) => res.writeHead(status).end()).listen(0, "127.0.0.1");
  servers.push(server);
  await new Promise((resolve) => server.once("listening", resolve));
  return (server.address() as AddressInfo).port;
}

describe("the doctor", () => {
  it("finds nothing to do on a machine where the tests run", async () => {
    expect(checkNode()).toMatchObject({ state: "ok" });
    expect(await checkOnnx()).toMatchObject({ state: "ok", found: expect.stringContaining("cpu") });
    expect(await checkModels()).toMatchObject({ finding: { state: "ok" }, digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(await checkState(join(folder, "new"))).toMatchObject({ state: "ok" });
    expect(await checkDisk(folder)).toMatchObject({ check: "disk" });
    expect(await checkStudies(folder)).toMatchObject({ state: "ok" });
    expect(await checkMemory(4 * 2 ** 30)).toMatchObject({ state: "ok" });
  });

  it("says what is wrong and what to do about it", async () => {
    await writeFile(join(folder, "file"), "x");
    const busy = await answering(404);
    const limnet = await answering(200);
    const findings = [
      checkNode("20.18.1"), (await checkModels(folder)).finding, await checkMemory(2 ** 29), await checkPort("127.0.0.1", busy), await checkPort("203.0.113.7", 8000),
      await checkStudies(join(folder, "file")), await checkState(join(folder, "file", "below")), await checkRedis("redis://u:secret@127.0.0.1:9", folder, null),
      await checkArchive(`http://127.0.0.1:${await answering(401)}/dicom-web`), await checkArchive(`http://127.0.0.1:${busy}/dicom-web`),
    ];
    for (const finding of findings) expect(finding).toMatchObject({ state: "problem", remedy: expect.stringMatching(/\w{3}/) });
    expect(exitCode(findings)).toBe(1);
    const text = asText(findings);
    expect(text).toMatch(/PROBLEM\s+Node\s+version 20\.18\.1 is too old\n\s+-> Install Node/);
    expect(text).not.toContain("secret");
    expect(await checkPort("127.0.0.1", limnet)).toMatchObject({ state: "warning" });
    expect(await checkStudies(join(folder, "none"))).toMatchObject({ state: "warning" });
  });

  it("looks at what the settings call for, and leaves nothing behind", async () => {
    const found = await examine({ studies: folder, port: "0" });
    expect(found.map(({ check }) => check)).toEqual(["Node", "ONNX Runtime", "models", "app", "memory", "port", "studies", "state folder", "disk"]);
    await expect(stat(join(folder, ".limnet", "server.lock"))).rejects.toThrow();
    expect((await examine({ host: "0.0.0.0" })).at(-1)).toMatchObject({ check: "settings", state: "problem", remedy: expect.stringMatching(/--auth/) });
    expect((await examine({ studies: `http://127.0.0.1:${await answering(200)}/dicom-web`, port: "0", state: folder })).find(({ check }) => check === "archive")).toMatchObject({ state: "ok" });
  });
});
