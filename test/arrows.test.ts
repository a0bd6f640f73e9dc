/** The rooms of the house (docs/tour.md): arrows point inward only, and the paper's folders know nothing of the world. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../src", import.meta.url));

/** From the outside in. A room may use rooms of higher rank only. */
const rank: Record<string, number> = { "cli.ts": 0, demo: 0.5, studies: 0.5, evaluate: 1, server: 1, apps: 2, jobs: 3, engine: 3, datastore: 3, dicomweb: 3.3, dicom: 3.5, imaging: 4, "errors.ts": 5, "durable.ts": 5 };
/**
 * The engine runs the paper's functions in its process, and the evaluation drives them without a server:
 * apps/limnet is two rooms, what the server sees (apps) and the paper (pure).
 */
const pureFolders = ["click", "propagation", "walker", "fusion", "rounds"].map((name) => join("apps", "limnet", name) + sep);

interface Arrow {
  readonly from: string;
  readonly to: string;
}

function sources(): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"));
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  return [...text.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)"([^"]+)"/g)].map(([, name]) => name);
}

function arrows(): Arrow[] {
  return sources().flatMap((from) => importsOf(from).filter((name) => name.startsWith("."))
    .map((name) => ({ from, to: relative(root, resolve(dirname(join(root, from)), name)).replace(/\.js$/, ".ts") })));
}

const room = (file: string) => file.split(sep)[0];
const isPure = (file: string) => pureFolders.some((folder) => file.startsWith(folder)) || /^apps\/limnet\/(view|networks|prepare|denoise)\.ts$/.test(file);

describe("the rooms", () => {
  it("are all known", () => {
    expect([...new Set(sources().map(room))].filter((name) => !(name in rank))).toEqual([]);
  });

  it("are entered from outside only", () => {
    const wrong = arrows().filter(({ from, to }) => {
      if (room(from) === room(to)) return false;
      // The engine process is where the paper's functions run.
      if (room(from) === "engine" && isPure(to)) return false;
      if (!(room(to) in rank)) return !to.startsWith("..");
      return rank[room(to)] <= rank[room(from)];
    });
    expect(wrong).toEqual([]);
  });

  it("keep http, files and DICOM out of the paper's folders", () => {
    const worldly = /^(node:)?(http|https|net|fs|fs\/promises|child_process|worker_threads)$|^(express|multer|dcmjs|dicom)|onnxruntime/;
    const wrong = sources().filter((file) => pureFolders.some((folder) => file.startsWith(folder)))
      .flatMap((file) => importsOf(file).filter((name) => worldly.test(name) || /(^|\/)(server|datastore|jobs|dicomweb)\//.test(name)).map((name) => `${file}: ${name}`));
    expect(wrong).toEqual([]);
  });
});
