/** One JSON line per event, without patient data: image ids are hashed, file names of clients never appear. */
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import { createLogger as createWinston, format, type Logger, transports } from "winston";
import type { Log } from "../datastore/log.js";

/** A logger on standard error: standard output belongs to what the user asked for. */
export function createLogger(level: "debug" | "info" | "warning" | "warn" | "error"): Log {
  const levels = ["error", "warn", "info", "debug"];
  return createWinston({
    level: level === "warning" ? "warn" : level,
    format: format.combine(format.timestamp(), format.json()),
    transports: [new transports.Console({ stderrLevels: levels })],
  });
}

/** A logger that also writes to `file`, which is turned over at 10 MiB, ten of them kept as MONAI Label does; GET /logs/ shows it. */
export function createFileLogger(level: Parameters<typeof createLogger>[0], file: string): { log: Log; close: () => Promise<void> } {
  const log = createLogger(level) as Log & Logger;
  let disk: InstanceType<typeof transports.File>;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    disk = new transports.File({
      dirname: dirname(file), filename: basename(file), maxsize: 10 * 1024 ** 2, maxFiles: 10, tailable: true, options: { flags: "a", mode: 0o600 },
    });
  } catch (error) {
    log.warn("the log is written to standard error only", { error: (error as NodeJS.ErrnoException).code });
    return { log, close: async () => {} };
  }
  // A full disk must not end the server.
  disk.on("error", () => {});
  log.add(disk);
  return {
    log,
    close: () => new Promise<void>((resolve) => {
      disk.once("finish", () => resolve());
      log.remove(disk);
      disk.end();
    }),
  };
}

/** Stands for an id in logs: the same id gives the same mark, the mark does not give the id. */
export function hashed(id: string): string {
  return createHash("sha256").update(id).digest("hex").slice(0, 10);
}
