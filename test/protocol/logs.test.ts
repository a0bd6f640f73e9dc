import { readFile } from "node:fs/promises";
import { join } from "node:path";
import request from "supertest";
import { expect, it } from "vitest";
import type { Log } from "../../src/datastore/log.js";
import { openLab, slicerForm } from "./harness.js";

it("logs one event per request, and neither image ids nor the names of clients' files", async () => {
  const lines: string[] = [];
  const note = (message: string, meta?: unknown) => lines.push(JSON.stringify([message, meta]));
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const lab = await openLab(["JaneDoe_1970.nii.gz"], {}, log);
  const api = request(lab.server.http);
  const { type, body } = slicerForm({ params: '{"client_id":"drsmith"}' }, { file: { name: "/home/drsmith/JaneDoe.nii.gz", bytes: await readFile(join(lab.folder, "JaneDoe_1970.nii.gz")) } });
  await api.post("/infer/limnet?image=JaneDoe_1970&output=json").set("Content-Type", type).send(body).expect(200);
  await api.get("/datastore/image?image=JaneDoe_1970").expect(200);
  await api.get("/datastore/image?image=JaneDoe_missing").expect(404);
  await api.get("/JaneDoe").expect(404);
  lab.behave.run = async () => { throw new Error("out of tricks"); };
  const failed = await api.post("/infer/limnet?image=JaneDoe_1970").expect(500);
  await lab.close();
  const text = lines.join("\n");
  expect(lines.filter((line) => line.startsWith('["request"'))).toHaveLength(5);
  expect(text).not.toMatch(/Jane|drsmith/);
  expect(text).toMatch(/out of tricks/);
  expect(text).toContain(failed.headers["x-request-id"]);
});
