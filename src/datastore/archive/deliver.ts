/** One attempt to bring a label into the archive: it counts when the archive has said that it stored it, was then asked for it and had it. */
import { setTimeout as delay } from "node:timers/promises";
import type { ArchiveClient } from "../../dicomweb/client.js";
import { tags, textOf } from "../../dicomweb/json.js";
import { LimnetError } from "../../errors.js";
import type { Log } from "../log.js";
import type { OutboxEntry } from "./outbox-entry.js";

export interface Way {
  readonly client: ArchiveClient;
  readonly log: Log;
  /** Milliseconds before each question whether the object is there. */
  readonly verifyMs: readonly number[];
  readonly signal: AbortSignal;
}

/** Null where the archive has the object (`bytes`, Part 10) for certain; else why not. Throws what the client throws. */
export async function deliver(entry: OutboxEntry, bytes: Buffer, way: Way): Promise<Pick<OutboxEntry, "state" | "reason"> | null> {
  const { client, log, verifyMs, signal } = way;
  const { stored, failed } = await client.store([bytes], signal);
  const refusal = failed.find(({ instance }) => instance === entry.instance || instance === "");
  const accepted = stored.find(({ instance }) => instance === entry.instance);
  if (accepted?.warning) log.warn("the archive stored a label with a warning", { reason: accepted.warning });
  // Also after a refusal: "already there" is what a second attempt may hear.
  for (const wait of refusal ? verifyMs.slice(0, 1) : verifyMs) {
    if (wait > 0) await delay(wait, undefined, { signal });
    if (await isThere(entry, way)) return null;
  }
  if (refusal) return { state: "refused", reason: `The archive refused the label: ${refusal.meaning}${refusal.reason ? ` (reason ${refusal.reason})` : ""}.` };
  return { state: "waiting", reason: "The archive said that it stored the label, but does not have it when asked for it." };
}

async function isThere({ study, series, instance }: OutboxEntry, { client, signal }: Way): Promise<boolean> {
  const found = await client.searchInstances({ study, series }, { SOPInstanceUID: instance }, signal);
  return found.some((one) => textOf(one, tags.SOPInstanceUID) === instance);
}

/** What a client may read of a failed attempt: our own sentences, or nothing in particular. */
export function sentence(error: Error): string {
  return error instanceof LimnetError ? error.message : "The label could not be sent.";
}
