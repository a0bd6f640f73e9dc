/** What is shipped: graphs, manifest and card belong together. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { listModels } from "../../src/engine/library.js";
import { modelsFolder } from "../../src/engine/models.js";

interface Entry {
  file: string;
  sha256: string;
  int8?: Entry;
}

const folder = modelsFolder();
const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8")) as
  { models: Record<string, { card?: string; licence?: string; graphs: Record<string, Entry> }> };

describe("the shipped models", () => {
  it("can be used, every one, and take less than 40 MB together", async () => {
    expect((await listModels(folder)).map(({ name, trouble }) => [name, trouble])).toEqual(Object.keys(manifest.models).map((name) => [name, ""]));
    const files = Object.values(manifest.models).flatMap(({ graphs }) => Object.values(graphs).flatMap((graph) => [graph.file, ...(graph.int8 ? [graph.int8.file] : [])]));
    const sizes = await Promise.all([...new Set(files)].map(async (file) => (await stat(join(folder, file))).size));
    expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThan(40e6);
  });

  it.each(Object.keys(manifest.models))("have a card: %s", async (name) => {
    const { card, licence, graphs } = manifest.models[name];
    const text = await readFile(join(folder, card!), "utf8");
    const { digest } = (await listModels(folder)).find((listed) => listed.name === name)!;
    expect(text, "run `python -m limnet_training export`, which writes the digests").toContain(`Model \`${digest}\``);
    for (const { file, sha256, int8 } of Object.values(graphs)) {
      expect(text).toContain(`| \`${sha256}\` |`);
      expect(text).toContain(`\`${file}\``);
      if (int8) expect(text).toContain(`| \`${int8.sha256}\` |`);
    }
    expect(text).toContain(licence!);
    for (const part of ["Not a medical device", "Training data", "Recipe", "Results", "Limits", "Licence of the weights"]) expect(text).toContain(part);
  });
});
