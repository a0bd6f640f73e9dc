/** Threads of this room: compiled code, or TypeScript under tsx or vitest, which a thread has to be taught first. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";

/** `entry`: address of a module of this room without its extension. */
export function startThread(entry: URL): Worker {
  if (!import.meta.url.endsWith(".ts")) return new Worker(new URL(`${entry.href}.js`));
  const api = pathToFileURL(createRequire(import.meta.url).resolve("tsx/esm/api").replace(/\.cjs$/, ".mjs")).href;
  return new Worker(`import(${JSON.stringify(api)}).then(({ tsImport }) => tsImport(${JSON.stringify(`${entry.href}.ts`)}, ${JSON.stringify(import.meta.url)}))`, { eval: true });
}
