/** A thread of the pool: frames in, samples out, in the order in which they come. */
import { parentPort } from "node:worker_threads";
import { LimnetError } from "../../errors.js";
import type { EncodedFrame } from "../types.js";
import { LocalDecoder } from "./decode.js";
import type { Answer } from "./pool.js";

const decoder = new LocalDecoder();

parentPort!.on("message", async (frame: EncodedFrame) => {
  try {
    const decoded = await decoder.decode(frame);
    // Only memory of its own can be handed over.
    const bytes = decoded.bytes.byteLength === decoded.bytes.buffer.byteLength ? decoded.bytes : new Uint8Array(decoded.bytes);
    parentPort!.postMessage({ decoded: { ...decoded, bytes } } satisfies Answer, [bytes.buffer as ArrayBuffer]);
  } catch (error) {
    const known = error instanceof LimnetError ? error : new LimnetError("bad_volume", "A compressed image is damaged and cannot be decoded. Send it again.");
    parentPort!.postMessage({ error: { code: known.code, message: known.message } } satisfies Answer);
  }
});
