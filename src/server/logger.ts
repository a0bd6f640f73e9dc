/** One JSON line per event, without patient data: image ids are hashed, file names of clients never appear. */
import { createHash } from "node:crypto";
import { createLogger as createWinston, format, transports } from "winston";
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

/** Stands for an id in logs: the same id gives the same mark, the mark does not give the id. */
export function hashed(id: string): string {
  return createHash("sha256").update(id).digest("hex").slice(0, 10);
}
