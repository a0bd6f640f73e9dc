/** The process that compares labels, seen from the server: started with the first comparison, ended with the task. */
import { type ChildProcess, fork } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { catalogue, type ErrorCode, LimnetError } from "../../errors.js";
import type { ComparisonAnswer } from "./child.js";
import type { Comparison } from "./compare.js";

export class Comparer {
  #child: ChildProcess | null = null;

  /** One at a time. Throws what the comparison throws; the reason of the signal at once, the process being ended. */
  compare(job: Comparison, signal: AbortSignal): Promise<number> {
    this.#child ??= start();
    const child = this.#child;
    return new Promise((resolve, reject) => {
      const leave = () => {
        child.removeAllListeners("message").removeAllListeners("exit");
        signal.removeEventListener("abort", stop);
      };
      const stop = () => {
        leave();
        this.close();
        reject(signal.reason as Error);
      };
      if (signal.aborted) return stop();
      signal.addEventListener("abort", stop, { once: true });
      child.once("message", (answer: ComparisonAnswer) => {
        leave();
        if ("score" in answer) resolve(answer.score);
        else reject(toError(answer));
      });
      child.once("exit", (code, killed) => {
        leave();
        this.#child = null;
        reject(new LimnetError("engine_died", `The process that compares labels ended (${killed ?? `exit code ${code}`}): the labels may need more memory than there is.`));
      });
      child.send(job);
    });
  }

  close(): void {
    this.#child?.kill("SIGKILL");
    this.#child = null;
  }
}

function toError({ code, message }: Exclude<ComparisonAnswer, { score: number }>): Error {
  return new LimnetError(Object.hasOwn(catalogue, code) ? (code as ErrorCode) : "engine_failed", message);
}

/** The entry beside this file: TypeScript under tsx or vitest, JavaScript in dist. */
function start(): ChildProcess {
  const typescript = import.meta.url.endsWith(".ts");
  const path = fileURLToPath(new URL(typescript ? "./child.ts" : "./child.js", import.meta.url));
  const execArgv = typescript ? ["--import", pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href] : [];
  const child = fork(path, { execArgv, serialization: "advanced", stdio: ["ignore", "ignore", "inherit", "ipc"] });
  // What cannot be started or reached ends; compare hears of the end.
  child.on("error", () => child.emit("exit", null, "not started"));
  return child;
}
