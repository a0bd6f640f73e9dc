/** Entry of the process that compares labels: distances of a large volume take seconds, and the server goes on answering. */
import { LimnetError } from "../../errors.js";
import { type Comparison, compareLabels } from "./compare.js";

export type ComparisonAnswer = { readonly score: number } | { readonly code: string; readonly message: string };

process.on("message", (job: Comparison) => {
  compareLabels(job)
    .then((score): ComparisonAnswer => ({ score }))
    .catch((error: unknown): ComparisonAnswer => {
      if (error instanceof LimnetError) return { code: error.code, message: error.message };
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      return { code: "internal", message: "The labels could not be compared. The log of the server says more." };
    })
    .then((answer) => process.send?.(answer));
});
// The server is gone: nobody waits for an answer.
process.on("disconnect", () => process.exit(0));
// Ctrl-C reaches the whole group; the server decides when this ends.
process.on("SIGINT", () => {});
