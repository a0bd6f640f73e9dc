/** The thread of LabelThread: one task after the other as they come. */
import { parentPort } from "node:worker_threads";
import { LimnetError } from "../errors.js";
import type { Outcome, Task } from "./label-thread.js";
import { DicomLabels } from "./labels.js";

parentPort!.on("message", async ({ id, settings, name, args }: Task) => {
  try {
    const labels = new DicomLabels(settings);
    const result = await (labels[name] as (...args: readonly unknown[]) => Promise<unknown>).apply(labels, [...args]);
    parentPort!.postMessage({ id, result } satisfies Outcome, movable(result));
  } catch (error) {
    const code = error instanceof LimnetError ? error.code : undefined;
    parentPort!.postMessage({ id, error: { code, message: (error as Error).message } } satisfies Outcome);
  }
});

/** Memory of a result that can be handed over instead of copied: what is no view into something larger. */
function movable(result: unknown): ArrayBuffer[] {
  const bytes = result instanceof Uint8Array ? result : (result as { bytes?: unknown } | null | undefined)?.bytes;
  return bytes instanceof Uint8Array && bytes.byteLength === bytes.buffer.byteLength ? [bytes.buffer as ArrayBuffer] : [];
}
