import type { InferTask } from "../app.js";
import type { LimnetTask } from "./task.js";

/** What a model under another name has of the model that does its work. */
export abstract class Alias {
  readonly dimension: 2 | 3;
  readonly description: string;
  readonly stored: InferTask["stored"];

  constructor(protected readonly target: LimnetTask) {
    this.dimension = target.dimension;
    this.description = target.description;
    this.stored = target.stored;
  }

  config(): Record<string, unknown> {
    return this.target.config();
  }

  files(): ReturnType<LimnetTask["files"]> {
    return this.target.files();
  }
}
