/**
 * One object of one user: what a request makes of it, from the journal to the mask. Requests come one after the other (task.ts).
 * A failure changes nothing of what clients see, and finished rounds are kept.
 */
import { rename, rm } from "node:fs/promises";
import { diskFull } from "../../engine/state.js";
import type { SegmentResult } from "../../engine/protocol.js";
import { LimnetError } from "../../errors.js";
import { fileDigest } from "../../imaging/digest.js";
import type { Journal } from "./journal.js";
import type { ObjectRequest, ObjectState, Workshop } from "./object-request.js";
import { segmentJob, takeSlices } from "./object-work.js";
import type { ClickLists } from "./rounds/clicks.js";
import { type Action, BrokenHistory, type Entry, type History, type StateRecord, statesToKeep, type Step, stepInForce, toDelta } from "./rounds/history.js";
import { type Next, nextOfClicks } from "./rounds/next.js";
import { roundsOf, stateKeys, type Way } from "./rounds/program.js";

/** The engine runs other networks than the plan was made for. */
class OtherWeights extends Error {
  constructor(readonly model: string) {
    super("The engine runs other networks than before.");
  }
}

export class ObjectWork {
  readonly #workshop: Workshop;
  readonly #journal: Journal;
  readonly #request: ObjectRequest;
  #history: History;
  /** Computed, and not in the journal yet. */
  #pending: StateRecord[] = [];
  readonly #ran = new Set<string>();
  /** The state that the request leads to. */
  #last: string | undefined;
  #seconds = 0;

  private constructor(workshop: Workshop, journal: Journal, request: ObjectRequest, history: History) {
    this.#workshop = workshop;
    this.#journal = journal;
    this.#request = request;
    this.#history = history;
  }

  static async open(workshop: Workshop, journal: Journal, request: ObjectRequest): Promise<ObjectWork> {
    return new ObjectWork(workshop, journal, request, await journal.load());
  }

  get history(): History {
    return this.#history;
  }

  /** Brings the object to the clicks of a request. */
  async click(way: Way, lists: ClickLists): Promise<ObjectState> {
    let weights = this.#workshop.modelDigest ?? this.#history.model ?? "";
    for (let attempt = 0; ; attempt++) {
      const next = nextOfClicks(this.#history, way, weights, lists);
      try {
        return await this.follow(next, "infer", true);
      } catch (error) {
        if (!(error instanceof OtherWeights)) throw error;
        if (attempt > 2) throw new LimnetError("engine_failed", "The networks are being replaced while they work. Send the clicks again.");
        weights = error.model;
      }
    }
  }

  /** `by` steps back (negative) or forth, as far as there are any. */
  async move(by: number, action: Action): Promise<ObjectState> {
    const { head, steps } = this.#history;
    return this.follow({ kind: "move", head: Math.min(Math.max(head + by, 0), steps.length) }, action);
  }

  /** Makes the mask that is in force then, and writes it down. `strict`: throws where the engine's networks are not those of the step. */
  async follow(next: Next, action: Action, strict = false): Promise<ObjectState> {
    const steps = next.kind === "steps" ? next.steps : [];
    const step = next.kind === "nothing" ? null : next.kind === "move" ? (this.#history.steps[next.head - 1] ?? null) : steps.at(-1)!;
    this.#last = step?.keys.at(-1);
    let fusedPath = step === null && next.kind === "move" ? this.#start(this.#history.steps[0]?.way) : null;
    let whole = false;
    try {
      for (const one of steps.length > 0 ? steps : step ? [step] : []) fusedPath = await this.#state(one, one.ops.length, strict);
      this.#request.ready?.(fusedPath);
      if (next.kind === "steps") {
        let before = stepInForce(this.#history);
        const deltas = steps.map((one) => {
          const delta = toDelta(one, before);
          before = one;
          return delta;
        });
        await this.#note({ action, steps: deltas });
      } else if (next.kind === "move" && (next.head !== this.#history.head || this.#pending.length > 0)) {
        await this.#note({ action, ...(next.head !== this.#history.head && { head: next.head }) });
      }
      whole = true;
    } catch (error) {
      if (this.#pending.length > 0 && !(error instanceof OtherWeights)) await this.#note({ action: "round" }).catch(() => undefined);
      throw error;
    } finally {
      if (!whole || this.#ran.size > 0) await this.#journal.prune(statesToKeep(this.#history, [...(whole && step ? step.keys.slice(-1) : []), ...this.#pending.map(({ key }) => key)]));
    }
    return { step, history: this.#history, fusedPath, ran: this.#ran, engineSeconds: this.#seconds };
  }

  async #note(what: Partial<Entry> & Pick<Entry, "action">): Promise<void> {
    const ran = this.#pending;
    this.#pending = [];
    this.#history = await this.#journal.append({ who: this.#request.user, ran, ...what }).catch((error: NodeJS.ErrnoException) => {
      // This server stood still for so long that its turn went to another one.
      if (error instanceof BrokenHistory) throw new LimnetError("superseded", "Another server went on with this label meanwhile. Send the clicks again.", { cause: error });
      throw error.code === "ENOSPC" || error.code === "EDQUOT" ? diskFull(error) : error;
    });
  }

  /** File of the state after the first `count` operations of a step; computed where it is missing or damaged. Null: empty mask. */
  async #state(step: Step, count: number, strict: boolean): Promise<string | null> {
    const op = step.ops[count - 1];
    const key = step.keys[count - 1];
    if (op === undefined || key === "") return this.#start(step.way);
    const record = this.#pending.find((one) => one.key === key) ?? this.#history.records.get(key);
    if (record && (await this.#journal.holds(record))) return this.#journal.statePath(key);
    const base = await this.#state(step, count - 1, strict);
    if (op.op === "hold") return base;
    const start = performance.now();
    // What was computed before this is kept at once, so that a request that is cut short goes on from there.
    if (this.#pending.length > 0) await this.#note({ action: "round" });
    await this.#journal.prepare().catch((error: NodeJS.ErrnoException) => {
      throw error.code === "ENOSPC" ? diskFull(error) : error;
    });
    if (op.op === "take") this.#pending.push(await takeSlices(this.#journal, this.#request.image, step, count - 1, base, await this.#source(step, op.from)));
    else this.#pending.push(await this.#round(step, count - 1, base, strict));
    this.#ran.add(key);
    this.#seconds += (performance.now() - start) / 1000;
    return this.#journal.statePath(key);
  }

  /** File of the mask before the first round; null: empty. */
  #start(way: Way | undefined): string | null {
    return way?.start === undefined ? null : this.#journal.startPath(way.start);
  }

  /** File of the state that slices are taken from: of this step itself, or of one before it. */
  async #source(step: Step, from: string): Promise<string | null> {
    const owner = [step, ...this.#history.steps].find(({ keys }) => keys.includes(from));
    if (owner) return this.#state(owner, owner.keys.indexOf(from) + 1, false);
    throw new LimnetError("engine_failed", "The masks of the locked or chosen slices are gone. Undo the last step, or unlock the slices.");
  }

  /** Runs one round; once more when the engine died on the way. */
  async #round(step: Step, at: number, base: string | null, strict: boolean): Promise<StateRecord> {
    const { queue } = this.#workshop;
    const { image, user, signal, watch, place, device } = this.#request;
    const round = roundsOf(step.ops.slice(0, at + 1)).length;
    const key = step.keys[at];
    const job = { ...segmentJob(image, step, at, base, this.#journal.statePath(key)), changes: watch?.changes, ...(device && { device }) };
    const once = () => queue.run(job, {
      ...place, signal, key: user, about: image.digest,
      onPlace: (before) => watch?.queued(before, round), onProgress: (progress) => {
        watch?.progress(progress, round);
        if (progress.stage === "write" && key === this.#last) this.#request.masked?.(job.outputs[0]);
      },
    });
    const result = await once().catch((error) => {
      if (!(error instanceof LimnetError && error.code === "engine_died") || signal.aborted) throw error;
      return once();
    });
    if (strict && result.model !== step.weights) await this.#otherWeights(step, at, result);
    const record = await recordOf(this.#journal, key, result);
    watch?.done(record, round);
    return record;
  }

  /** A first round is right under the name of the networks that ran it; any other went on from a state of other networks. */
  async #otherWeights(step: Step, at: number, result: SegmentResult): Promise<never> {
    const written = this.#journal.statePath(step.keys[at]);
    if (at === 0) {
      const [key] = stateKeys(step.way, result.model, step.ops.slice(0, 1));
      await rename(written, this.#journal.statePath(key));
      const record = await recordOf(this.#journal, key, result);
      this.#pending.push(record);
      this.#ran.add(key);
      this.#request.watch?.done(record, 1);
    } else await rm(written, { force: true });
    throw new OtherWeights(result.model);
  }
}

async function recordOf(journal: Journal, key: string, { rounds: [round], model }: SegmentResult): Promise<StateRecord> {
  return {
    key,
    slice: round.slice,
    slices: round.slices,
    seconds: round.clickSeconds + round.propagateSeconds + round.fuseSeconds,
    propagated: round.propagated,
    digest: round.digest ?? (await fileDigest(journal.statePath(key))),
    model,
  };
}
