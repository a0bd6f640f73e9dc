import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ArchiveClient } from "../../dicomweb/client.js";
import { Outbox } from "./outbox.js";
import type { OutboxEntry } from "./outbox-entry.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-outbox-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** An archive that takes everything. */
function open(): { outbox: Outbox; sent: string[]; errors: string[] } {
  const sent: string[] = [];
  const errors: string[] = [];
  const client = {
    store: async ([bytes]: Uint8Array[]) => {
      sent.push(Buffer.from(bytes!).toString());
      return { stored: [{ instance: "i" }], failed: [] };
    },
    searchInstances: async () => [{ "00080018": { vr: "UI", Value: ["i"] } }],
  } as unknown as ArchiveClient;
  const log = { debug() {}, info() {}, warn() {}, error: (message: string) => void errors.push(message) };
  return { outbox: new Outbox(folder, { client, log, onStored: async () => {}, firstMs: 60_000 }), sent, errors };
}

async function left(id: string, entry: Partial<OutboxEntry> | string): Promise<void> {
  await mkdir(join(folder, id), { recursive: true });
  await writeFile(join(folder, id, "object.dcm"), `object ${id}`);
  const whole = { id, image: "s", study: "t", series: "l", instance: "i", created: "2026-01-01T00:00:00Z", attempts: 3, lastAttempt: null, state: "waiting", reason: "" };
  await writeFile(join(folder, id, "entry.json"), typeof entry === "string" ? entry : JSON.stringify({ ...whole, ...entry }));
}

describe("the outbox", () => {
  it("sends what waits although the clock was set back since the last attempt", async () => {
    await left("a", { lastAttempt: new Date(Date.now() + 86_400_000).toISOString() });
    await left("b", { created: new Date(Date.now() + 86_400_000).toISOString() });
    const { outbox, sent } = open();
    await outbox.open();
    await vi.waitFor(() => expect(outbox.size).toBe(0), { timeout: 20_000 });
    expect(sent.sort()).toEqual(["object a", "object b"]);
    await vi.waitFor(async () => expect(await readdir(folder)).toEqual([]), { timeout: 20_000 });
    await outbox.close();
  });

  it("says what it cannot read, leaves it where it is, and passes over what is none of its own", async () => {
    await left("a", "{");
    await writeFile(join(folder, "Thumbs.db"), "");
    const { outbox, errors } = open();
    await outbox.open();
    expect(outbox.size).toBe(0);
    expect(errors).toHaveLength(1);
    expect(await readFile(join(folder, "a", "object.dcm"), "utf8")).toBe("object a");
    await outbox.close();
  });
});
