import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HistoryLab } from "./lab.js";

let lab: HistoryLab;
beforeEach(async () => {
  lab = await HistoryLab.open();
});
afterEach(() => lab.close());

const [a, b] = [[1, 1, 2], [3, 3, 5]];

async function save(query = "", params: Record<string, unknown> = {}): Promise<void> {
  const form = new FormData();
  form.append("label", new Blob([await readFile(join(lab.folder, "scan.nii.gz"))]), "scan.nii.gz");
  form.append("params", JSON.stringify(params));
  const answer = await fetch(`${lab.url}/datastore/label?image=scan${query}`, { method: "PUT", body: form });
  expect([answer.status, await answer.json()]).toEqual([200, { image: "scan", label: "scan" }]);
}
const provenance = async (tag = "final") => JSON.parse(await readFile(join(lab.folder, "labels", tag, "scan.provenance.json"), "utf8"));

describe("a saved label", () => {
  it("keeps its journal beside it: who clicked what, with which weights", async () => {
    await lab.click([a], "", { client_id: "eve" });
    await lab.click([a, b], "", { client_id: "eve" });
    await lab.click([b], "", { client_id: "mallory" });
    await save("", { client_id: "eve" });
    const told = await provenance();
    expect(told).toMatchObject({ version: 1, image: "scan", image_sha256: expect.stringMatching(/^[0-9a-f]{64}$/), tag: "final", saved_by: "eve" });
    expect(told.objects).toHaveLength(1);
    expect(told.objects[0]).toMatchObject({
      label: "tumour", user: "eve", in_force: { head: 2, rounds: [{ clicks: [{ voxel: a, positive: true }], model: "sha256:model-1" }, { slice: 5 }] },
    });
    expect(told.objects[0].entries.map(({ action, who }: { action: string; who: string }) => [action, who])).toEqual([["infer", "eve"], ["infer", "eve"]]);
  });

  it("by somebody who clicked nothing tells of everybody's work", async () => {
    await lab.click([a], "", { client_id: "eve" });
    await lab.click([b], "", { client_id: "mallory" });
    await save();
    expect((await provenance()).objects.map(({ user }: { user: string }) => user).sort()).toEqual(["eve", "mallory"]);
  });

  it("has it whichever way it was saved: by /infer with save_label, by batch inference", async () => {
    await lab.click([a], "", { client_id: "eve", save_label: true, label_tag: "draft" });
    expect(await provenance("draft")).toMatchObject({ tag: "draft", saved_by: "eve", objects: [{ user: "eve", in_force: { head: 1 } }] });
    await lab.click([b], "", { client_id: "mallory" });
    const answer = await fetch(`${lab.url}/batch/infer/limnet?run_sync=true`, { method: "POST", body: '{"label_tag": "batch"}' });
    expect(answer.status).toBe(200);
    expect((await provenance("batch")).objects.map(({ user }: { user: string }) => user).sort()).toEqual(["eve", "mallory"]);
  });

  it("counts as submitted until something changes; a label under another tag does not", async () => {
    await lab.click([a]);
    const submitted = async () => ((await (await lab.get("rounds")).json()) as { submitted: string | null }).submitted;
    await save("&tag=version_1");
    expect(await submitted()).toBeNull();
    expect((await provenance("version_1")).tag).toBe("version_1");
    await save();
    expect(await submitted()).toMatch(/^\d{4}-/);
    await lab.click([a, b]);
    expect(await submitted()).toBeNull();
  });

  it("does not disturb the folder of labels, and the provenance goes with the label", async () => {
    await lab.click([a]);
    await save();
    expect((await readdir(join(lab.folder, "labels", "final"))).sort()).toEqual(["scan.nii.gz", "scan.provenance.json"]);
    const all = (await (await fetch(`${lab.url}/datastore/?output=all`)).json()) as { objects: Record<string, { labels: object }> };
    expect([Object.keys(all.objects), Object.keys(all.objects.scan.labels)]).toEqual([["scan"], ["final"]]);
    await fetch(`${lab.url}/datastore/label?id=scan&tag=final`, { method: "DELETE" });
    expect(await readdir(join(lab.folder, "labels", "final"))).toEqual([]);
  });

  it("without any click here has none, and one of before goes", async () => {
    await save();
    expect(await readdir(join(lab.folder, "labels", "final"))).toEqual(["scan.nii.gz"]);
  });
});
