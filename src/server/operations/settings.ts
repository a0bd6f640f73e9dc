/** Settings of running it: queue, memory, stop. Part of the one schema in ../config.ts. */
import { z } from "zod";

/** "4GB", "1.5 GiB", "800m", or a number of bytes. GB and GiB are both read as 2^30, as memory is sold. */
export function parseBytes(text: string): number | null {
  const found = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b)?\s*$/i.exec(text);
  if (!found) return null;
  return Math.round(Number(found[1]) * 1024 ** " kmgt".indexOf(found[2].toLowerCase() || " "));
}

/** An amount in words or in bytes, above 0. */
export const size = z.union([z.number(), z.string()]).transform((value, context) => {
  const text = String(value);
  const bytes = parseBytes(text);
  if (bytes !== null && bytes > 0) return bytes;
  context.addIssue({ code: "custom", message: `must be an amount such as 4GB, not ${JSON.stringify(text.slice(0, 40))}` });
  return z.NEVER;
});

export const operationsShape = {
  /** Address of Redis; absent: one process does all. */
  redis: z.string().regex(/^rediss?:\/\/\S+$/, "must look like redis://host:6379").optional(),
  /** Bytes that server and engine may use together; default from the machine (operations/memory.ts). */
  memory: size.optional(),
  /** Bytes that journals and kept masks may take on the disk. */
  stateLimit: size.default(20 * 1024 ** 3),
  /** Seconds that running requests get when the server is told to stop. */
  stopSeconds: z.coerce.number().min(0).max(3600).default(10),
};

export const operationsEnvironment: Record<keyof typeof operationsShape, readonly string[]> = {
  redis: ["LIMNET_REDIS"],
  memory: ["LIMNET_MEMORY"],
  stateLimit: ["LIMNET_STATE_LIMIT"],
  stopSeconds: ["LIMNET_STOP_SECONDS"],
};
