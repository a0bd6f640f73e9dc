/** Where a room reports what it met. A winston logger fits. */
export interface Log {
  debug(message: string, meta?: Record<string, unknown>): unknown;
  info(message: string, meta?: Record<string, unknown>): unknown;
  warn(message: string, meta?: Record<string, unknown>): unknown;
  error(message: string, meta?: Record<string, unknown>): unknown;
}

/** Says nothing: for tests and tools. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
