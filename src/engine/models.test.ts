import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { doubleSettings } from "../../test/engine/double.js";
import { modelDigest, openModel, sha256 } from "./models.js";

let root: string;
let folder: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "limnet-models-"));
  folder = join(root, "models");
  await mkdir(join(folder, "lite"), { recursive: true });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const names = ["click", "key", "value", "read", "decode", "quality"] as const;

/** Writes six small "graphs" and their manifest; `change` may spoil it. */
async function write(change: (manifest: ReturnType<typeof build>) => unknown = (manifest) => manifest): Promise<void> {
  for (const name of names) await writeFile(join(folder, "lite", `${name}.onnx`), name);
  const changed = change(build());
  await writeFile(join(folder, "manifest.json"), typeof changed === "string" ? changed : JSON.stringify(changed));
}

function build() {
  const graphs = Object.fromEntries(names.map((name) => [name, { file: `lite/${name}.onnx`, sha256: sha256(name) }]));
  return { version: 1, default: "lite", models: { lite: { settings: doubleSettings, graphs, card: "further fields are fine" } } };
}

const withFile = (file: string) => write((manifest) => {
  manifest.models.lite.graphs.key.file = file;
  return manifest;
});

describe("models folder", () => {
  it("opens the default model, loads what has the right digest and names the whole by one digest", async () => {
    await write();
    const model = await openModel(folder);
    expect(model.settings).toEqual(doubleSettings);
    expect(Buffer.from(await model.load("read")).toString()).toBe("read");
    expect(model.digest).toBe(modelDigest(names.map(sha256), doubleSettings));
  });

  it("names a model by its settings too, in whatever order they stand: states of other settings are not gone on from", async () => {
    await write();
    const { digest } = await openModel(folder);
    const { click, propagation, quality } = doubleSettings;
    await write((manifest) => ({ ...manifest, models: { lite: { ...manifest.models.lite, settings: { quality, propagation, click } } } }));
    expect((await openModel(folder)).digest).toBe(digest);
    await write((manifest) => ({ ...manifest, models: { lite: { ...manifest.models.lite, settings: { ...doubleSettings, quality: { ...quality, threshold: 0.9 } } } } }));
    expect((await openModel(folder)).digest).not.toBe(digest);
  });

  it("says in the card of the shipped model which one it is", async () => {
    const shipped = new URL("../../models/", import.meta.url).pathname;
    expect(await readFile(join(shipped, "lite.md"), "utf8")).toContain((await openModel(shipped)).digest);
  });

  it("knows every setting of the shipped models", async () => {
    const shipped = new URL("../../models/", import.meta.url).pathname;
    const { models } = JSON.parse(await readFile(join(shipped, "manifest.json"), "utf8"));
    expect((await openModel(shipped)).settings).toEqual(models.lite.settings);
  });

  it("refuses a graph whose bytes are not those of the manifest", async () => {
    await write();
    await writeFile(join(folder, "lite", "key.onnx"), "other");
    const model = await openModel(folder);
    for (const look of [model.load, model.check]) {
      await expect(look("key")).rejects.toMatchObject({ code: "bad_model", message: expect.stringContaining("digest") });
      await look("value");
    }
  });

  it("never leaves the folder", async () => {
    await writeFile(join(root, "key.onnx"), "key");
    await symlink(join(root, "key.onnx"), join(folder, "lite", "link.onnx"));
    await symlink(root, join(folder, "up"));
    for (const file of ["../key.onnx", "lite/../../key.onnx", join(root, "key.onnx"), "lite/link.onnx", "up/key.onnx", "lite\\key.onnx", "lite//key.onnx", "./lite/key.onnx", "lite"]) {
      await withFile(file);
      const refused = await openModel(folder).then((model) => model.load("key")).catch((error) => error);
      expect(refused, file).toMatchObject({ code: "bad_model" });
      expect(refused.message.replace(`"${file}"`, "")).not.toContain(root);
    }
  });

  it("refuses a manifest that is missing, damaged, of another version or without a setting", async () => {
    await expect(openModel(folder)).rejects.toMatchObject({ code: "bad_model" });
    await write(() => "{");
    await expect(openModel(folder)).rejects.toMatchObject({ code: "bad_model" });
    await write((manifest) => ({ ...manifest, version: 2 }));
    await expect(openModel(folder)).rejects.toThrow(/version/);
    await write((manifest) => ({ ...manifest, default: "toString" }));
    await expect(openModel(folder)).rejects.toThrow(/toString/);
    await write((manifest) => {
      const { topK, ...propagation } = manifest.models.lite.settings.propagation;
      return { ...manifest, models: { lite: { ...manifest.models.lite, settings: { ...doubleSettings, propagation } } }, topK };
    });
    await expect(openModel(folder)).rejects.toThrow(/topK/);
    await write((manifest) => {
      delete (manifest.models.lite.graphs as Record<string, unknown>).quality;
      return manifest;
    });
    await expect(openModel(folder)).rejects.toThrow(/quality/);
  });
});
