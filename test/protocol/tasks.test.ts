/** Background tasks as clients start, watch and stop them (protocol 1.6). */
import { join } from "node:path";
import request from "supertest";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { StoredWork } from "../../src/apps/app.js";
import { LimnetError } from "../../src/errors.js";
import { type Lab, openLab, writeVolume } from "./harness.js";

let lab: Lab;
beforeEach(async () => {
  lab = await openLab(["scan_1.nii.gz", "scan_2.nrrd", "scan_3.nii.gz"]);
});
afterEach(() => lab.close());
const api = () => request(lab.server.http);
const label = (image: string, tag: string, fill = 1) => writeVolume(join(lab.folder, ".label.nii.gz"), fill)
  .then(() => api().put(`/datastore/label?image=${image}&tag=${tag}`).attach("label", join(lab.folder, ".label.nii.gz")).expect(200));
const over = async (path: string) => {
  await expect.poll(async () => (await api().get(path)).body.status, { timeout: 30_000 }).not.toMatch(/SUBMITTED|RUNNING/);
  return (await api().get(path).expect(200)).body;
};

describe("training", () => {
  it("is refused with a sentence, and clients that ask whether it runs are told that it does not", async () => {
    for (const path of ["/train/", "/train/limnet", "/train/limnet?run_sync=true"]) {
      const { body } = await api().post(path).send({ max_epochs: 1 }).expect(501);
      expect(body.detail).toMatch(/no trainers/);
    }
    await api().get("/train/").expect(404, { detail: "No Train Tasks Found" });
    await api().get("/train/?check_if_running=true").expect(404, { detail: "No Train Tasks are currently Running" });
    await api().delete("/train/").expect(200, "null");
    await api().get("/train/?all=perhaps").expect(422);
    expect((await api().get("/info/")).body).toMatchObject({ trainers: {}, train_stats: {} });
  });
});

describe("scoring", () => {
  it("runs in the background, is watched, and leaves its scores in the infos", async () => {
    await label("scan_1", "original", 1);
    await label("scan_1", "final", 2);
    const { body } = await api().post("/scoring/dice").send({ client_id: "u" }).expect(200);
    expect(body).toEqual({
      id: expect.any(String), status: expect.stringMatching(/SUBMITTED|RUNNING/), request: expect.objectContaining({ method: "dice", client_id: "u" }),
      start_ts: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/),
    });
    const done = await over("/scoring/");
    expect(done).toMatchObject({ id: body.id, status: "DONE", request: { gpus: "all" }, progress: { done: 1, total: 1 } });
    expect(done.details.at(-1)).toMatch(/1 of 1 images/);
    expect((await api().get("/datastore/image/info?image=scan_1")).body.dice).toBe(1);
    expect((await api().get("/datastore/?output=all")).body.objects.scan_1.image.info.dice).toBe(1);
    expect((await api().get("/scoring/?all=true").expect(200)).body).toHaveLength(1);
    await api().get("/scoring/?check_if_running=true").expect(404, { detail: "No Scoring Tasks are currently Running" });
  });

  it("answers the scores themselves where the client waits, for one method and for all", async () => {
    await label("scan_1", "original");
    await label("scan_1", "final");
    expect((await api().post("/scoring/dice?run_sync=true").expect(200)).body).toEqual({ scan_1: 1 });
    const { body } = await api().post("/scoring/?run_sync=true").send({}).expect(200);
    expect(body).toEqual({ dice: { result: { scan_1: 1 }, detail: null }, surface_dice: { result: { scan_1: 1 }, detail: null } });
  });

  it("gives all methods a task each, one after the other, and DELETE stops what is left of them", async () => {
    const { body } = await api().post("/scoring/").expect(200);
    expect(Object.keys(body)).toEqual(["dice", "surface_dice"]);
    expect(body.surface_dice).toMatchObject({ detail: null, result: { request: { method: "surface_dice" } } });
    await api().delete("/scoring/").expect(200);
    await over("/scoring/");
    await api().delete("/scoring/").expect(200, "null");
  });

  it("refuses unknown methods, bodies that are no object, and tags that are none", async () => {
    const { body } = await api().post("/scoring/other").expect(404);
    expect(body.detail).toMatch(/Methods of this server: dice, surface_dice/);
    await api().post("/scoring/dice").send([1]).expect(422);
    await api().post("/scoring/dice?run_sync=true").send({ y: 3 }).expect(422);
  });
});

describe("batch inference", () => {
  it("runs a model over the images that are asked for and stores its masks", async () => {
    await label("scan_1", "final");
    const { body } = await api().post("/batch/infer/limnet?images=unlabeled").send({ device: "cuda", multi_gpu: true, gpus: "all", logging: "WARNING", max_workers: 2 }).expect(200);
    expect(body).toMatchObject({ status: expect.stringMatching(/SUBMITTED|RUNNING/), request: { model: "limnet", images: "unlabeled", save_label: true, label_tag: "original", max_workers: 2 } });
    const done = await over("/batch/infer");
    expect(done).toMatchObject({ status: "DONE", progress: { done: 2, total: 2, skipped: 0, failed: {} } });
    const { label_tags: tags } = (await api().get("/datastore/")).body;
    expect(tags).toEqual({ final: 1, original: 2 });
    const { objects } = (await api().get("/datastore/?output=all")).body;
    expect(objects.scan_2.labels.original.info).toMatchObject({ model: "limnet", params: { label_names: ["tumour"] } });
    expect(objects.scan_1.labels.original).toBeUndefined();
  });

  it("answers what it did where the client waits; label tag and number of images are obeyed", async () => {
    const { body } = await api().post("/batch/infer/limnet?run_sync=true").send({ label_tag: "model_2", max_batch_size: 2 }).expect(200);
    expect(body).toEqual({
      scan_1: { label: "scan_1", tag: "model_2", params: expect.objectContaining({ label_names: ["tumour"] }) },
      scan_2: { label: "scan_2", tag: "model_2", params: expect.anything() },
    });
    await api().head("/datastore/label?image=scan_1&tag=model_2").expect(200);
    const unsaved = await api().post("/batch/infer/limnet?run_sync=true&images=all").send({ save_label: false, max_batch_size: 1 }).expect(200);
    expect(unsaved.body.scan_1.label).toBeNull();
    expect((await api().get("/datastore/")).body.label_tags).toEqual({ model_2: 2 });
  });

  it("takes the stored clicks of a model that needs clicks, skips images without and lists them", async () => {
    const asked: unknown[] = [];
    const again: StoredWork["again"] = async (image, params, options) => {
      asked.push([image.id, params, options.urgency]);
      return image.id === "scan_3" ? null : lab.behave.run({ image, params, user: "" }, options);
    };
    lab.behave.stored = { images: async () => new Set(["scan_1", "scan_3", "elsewhere"]), again };
    const { body } = await api().post("/batch/infer/limnet?run_sync=true").send({ axis: "axial" }).expect(200);
    expect(Object.keys(body)).toEqual(["scan_1"]);
    expect(asked).toEqual([["scan_1", { axis: "axial" }, "batch"], ["scan_3", { axis: "axial" }, "batch"]]);
    const { progress, details } = (await api().get("/batch/infer")).body;
    expect(progress).toMatchObject({ done: 1, total: 3, skipped: 2, skipped_images: ["scan_2", "scan_3"] });
    expect(details.at(-1)).toBe("1 of 3 images done, 2 without stored clicks skipped, 0 failed");
  });

  it("is stopped by DELETE, with details, and starts no second task meanwhile", async () => {
    lab.behave.run = (_request, { signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
    await api().post("/batch/infer/limnet").send({}).expect(200);
    await expect.poll(async () => (await api().get("/batch/infer?check_if_running=true")).body.status).toBe("RUNNING");
    await api().post("/batch/infer/limnet").send({}).expect(429, { detail: "++++++++++ Batch_infer Task is Already Running" });
    const { body } = await api().delete("/batch/infer").expect(200);
    expect(body).toMatchObject({ status: "STOPPED", details: expect.arrayContaining(["Stopped."]), end_ts: expect.any(String) });
    await api().get("/batch/infer/?check_if_running=true").expect(404);
    await api().delete("/batch/infer").expect(200, "null");
  });

  it("is told of a device that cannot be before anything runs", async () => {
    const { body } = await api().post("/batch/infer/limnet").send({ device: "tpu" }).expect(422);
    expect(body.detail).toMatch(/"device" must be/);
  });

  it("notes images that fail, and goes on", async () => {
    const { run } = lab.behave;
    lab.behave.run = async (asked, options) => {
      if (asked.image.id === "scan_1") throw new LimnetError("bad_volume", "This one is damaged.");
      return run(asked, options);
    };
    await api().post("/batch/infer/limnet").send({}).expect(200);
    expect(await over("/batch/infer")).toMatchObject({ status: "DONE", progress: { done: 2, failed: { scan_1: "This one is damaged." } } });
  });

  it("refuses what it cannot follow", async () => {
    expect((await api().post("/batch/infer/other").send({}).expect(404)).body.detail).toMatch(/Models of this server: limnet/);
    await api().post("/batch/infer/limnet?images=some").send({}).expect(422);
    for (const wrong of [{ max_workers: 0 }, { max_workers: "many" }, { save_label: "perhaps" }, { label_tag: "../x" }, { max_batch_size: -1 }]) {
      await api().post("/batch/infer/limnet").send(wrong).expect(422);
    }
    await api().get("/batch/infer").expect(404, { detail: "No Batch_infer Tasks Found" });
  });
});

describe("families that are switched off", () => {
  it("are not offered: batch inference answers 406 with the setting", async () => {
    const off = await openLab(["scan_1.nii.gz"], { batchTasks: "false" });
    const answer = await request(off.server.http).post("/batch/infer/limnet").send({});
    expect([answer.status, answer.body.detail]).toEqual([406, expect.stringContaining("MONAI_LABEL_TASKS_BATCH_INFER")]);
    await off.close();
  });
});

describe("the server", () => {
  it("stops its tasks when it closes", async () => {
    let told = false;
    lab.behave.run = (_request, { signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => {
      told = true;
      reject(signal.reason as Error);
    }));
    await api().post("/batch/infer/limnet").send({}).expect(200);
    await expect.poll(async () => (await api().get("/batch/infer?check_if_running=true")).body.status).toBe("RUNNING");
    await expect.poll(() => lab.seen.length).toBe(1);
    await lab.server.close();
    expect(told).toBe(true);
  });
});
