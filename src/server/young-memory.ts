/**
 * Memory of what passes through: buffers that are let go of as soon as they have come. V8 counts bytes outside its heap as if they were old,
 * until they are collected. A server that has collected its whole heap once (each one has, after a while) may then let it grow by 8 MB, so it
 * would collect all of it again every 16 MB of an upload, on more than a second core. A look at the young objects alone takes a third of a
 * millisecond, and the same memory is used again.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** With what waits on the way, less than the heap may grow by. */
const collectEvery = 3 << 20;

export class YoungMemory {
  #collect: ((options: { type: "minor" }) => void) | null = null;
  #passed = 0;

  /** So many bytes more came and were let go of. */
  passed(bytes: number): void {
    this.#passed += bytes;
    if (this.#passed < collectEvery) return;
    this.#passed = 0;
    this.#collect ??= collector();
    this.#collect({ type: "minor" });
  }
}

/** The function `gc` of V8, which no context has unless it is asked for. */
function collector(): (options: { type: "minor" }) => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as (options: { type: "minor" }) => void;
}
