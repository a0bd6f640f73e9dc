/** A server started as a user starts it: the command line in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface ServerProcess {
  readonly url: string;
  readonly pid: number;
  close(): Promise<void>;
}

/** How long a start may take before it counts as failed: machines under load included. */
const usualPatience = 60_000;
const stopPatience = 10_000;

/** Path of the command, from src/ and from dist/ alike. */
export const limnetCommand = fileURLToPath(new URL("../../bin/limnet", import.meta.url));

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), stopPatience);
  await gone;
  clearTimeout(timer);
}

/** Starts `limnet start_server` with these arguments and waits, at most `patience` milliseconds, until it says where it listens. */
export async function startServerProcess(args: readonly string[], environment: NodeJS.ProcessEnv = {}, patience = usualPatience): Promise<ServerProcess> {
  const child = spawn(process.execPath, [limnetCommand, "start_server", ...args], {
    stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...environment },
  });
  const lines = createInterface({ input: child.stdout! });
  const listening = new Promise<string>((resolve, reject) => {
    lines.on("line", (line) => {
      const found = /https?:\/\/[^\s/]+:\d+\S*/.exec(line);
      if (found) resolve(found[0]);
    });
    child.once("error", (cause) => reject(new Error("The server cannot be started.", { cause })));
    child.once("exit", (code, signal) => reject(new Error(`The server ended before it was ready (${signal ?? `exit ${code}`}).`)));
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`The server was not ready within ${patience / 1000} s.`)), patience);
  });
  try {
    return { url: await Promise.race([listening, late]), pid: child.pid!, close: () => stop(child) };
  } catch (error) {
    await stop(child);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
