/**
 * One object of one user: what a request makes of it, from the journal to the mask. Requests come one after the other (task.ts).
 * A failure changes nothing of what clients see, and finished rounds are kept.
 */
import { diskFull } from "../../engine/state.js";
import { LimnetError } from "../../errors.js";
import type { Journal } from "./journal.js";
import type { ObjectRequest, ObjectState, Workshop } from "./object-request.js";
import { OtherWeights, runRound } from "./object-round.js";
import { takeSlices } from "./object-work.js";
import type { ClickLists } from "./rounds/clicks.js";
import { type Action, BrokenHistory, type Entry, type History, type StateRecord, statesToKeep, type Step, stepInForce, toDelta } from "./rounds/history.js";
import { type Next, nextOfClicks } from "./rounds/next.js";
import type { Way } from "./rounds/program.js";

export class ObjectWork {
  readonly #workshop: Workshop;
  readonly #journal: Journal;
  readonly #request: ObjectRequest;
  #history: History;
  /** Computed, and not in the journal yet. */
  #pending: StateRecord[] = [];
  readonly #ran = new Set<string>();
  /** That state, where it is being written while its mask is answered with. */
  #late: Promise<StateRecord> | null = null;
  #rest: Promise<void> = Promise.resolve();
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

  /**
   * What the answer need not wait for (ObjectRequest.early): the state behind its mask, which the next round goes on from. Whoever works
   * on the object next does. Never rejects: a state that fails is computed again when it is needed.
   */
  get rest(): Promise<void> {
    return this.#rest;
  }

  /** Brings the object to the clicks of a request. */
  click(way: Way, lists: ClickLists): Promise<ObjectState> {
    return this.infer((weights) => nextOfClicks(this.#history, way, weights, lists));
  }

  /** Makes what a request asks for, with the networks that the engine runs (`weights`: their digest). */
  async infer(next: (weights: string) => Next): Promise<ObjectState> {
    let weights = this.#workshop.modelDigest ?? this.#history.model ?? "";
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.follow(next(weights), "infer", true);
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
    let fusedPath = step === null && next.kind === "move" ? this.#start(this.#history.steps[0]?.way) : null;
    let whole = false;
    try {
      const all = steps.length > 0 ? steps : step ? [step] : [];
      for (const one of all) fusedPath = await this.#state(one, one.ops.length, strict, one === all.at(-1));
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
      const keep = [...(whole && step ? step.keys.slice(-1) : []), ...this.#pending.map(({ key }) => key)];
      if (this.#late) this.#rest = this.#settle(this.#late, keep);
      else if (!whole || this.#ran.size > 0) await this.#prune(keep);
      if (!whole) await this.#rest;
    }
    return { step, history: this.#history, fusedPath, ran: this.#ran, engineSeconds: this.#seconds };
  }

  /** Unwritten files look like those that nobody needs: nothing is cleared away before. */
  async #settle(late: Promise<StateRecord>, keep: readonly string[]): Promise<void> {
    try {
      const { key, digest } = await late;
      await this.#note({ action: "round", wrote: [{ key, digest }] });
    } catch {
      // Not known then: it is computed again.
    }
    await this.#prune(keep).catch(() => undefined);
  }

  #prune(keep: readonly string[]): Promise<void> {
    return this.#journal.prune(statesToKeep(this.#history, keep));
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

  /**
   * File of the state after the first `count` operations of a step; computed where it is missing or damaged. Null: empty mask. `shown`: it
   * is answered with, and the mask beside that file is enough.
   */
  async #state(step: Step, count: number, strict: boolean, shown = false): Promise<string | null> {
    const op = step.ops[count - 1];
    const key = step.keys[count - 1];
    if (op === undefined || key === "") return this.#start(step.way);
    const record = this.#pending.find((one) => one.key === key) ?? this.#history.records.get(key);
    if (record && ((shown && (await this.#journal.holdsMask(record))) || (await this.#journal.holds(record)))) return this.#journal.statePath(key);
    const base = await this.#state(step, count - 1, strict, shown && op.op === "hold");
    if (op.op === "hold") return base;
    const start = performance.now();
    // What was computed before this is kept at once, so that a request that is cut short goes on from there.
    if (this.#pending.length > 0) await this.#note({ action: "round" });
    await this.#journal.prepare().catch((error: NodeJS.ErrnoException) => {
      throw error.code === "ENOSPC" ? diskFull(error) : error;
    });
    if (op.op === "outline") this.#pending.push(await takeSlices(this.#journal, this.#request.image, step, count - 1, base, this.#journal.startPath(op.from)));
    else if (op.op === "take") this.#pending.push(await takeSlices(this.#journal, this.#request.image, step, count - 1, base, await this.#source(step, op.from)));
    else await this.#round(step, count - 1, base, strict, shown);
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

  async #round(step: Step, at: number, base: string | null, strict: boolean, last: boolean): Promise<void> {
    try {
      const { record, late } = await runRound(this.#workshop, this.#journal, this.#request, { step, at, base, strict, last });
      this.#pending.push(record);
      this.#late = late;
    } catch (error) {
      if (error instanceof OtherWeights && error.kept) {
        this.#pending.push(error.kept);
        this.#ran.add(error.kept.key);
      }
      throw error;
    }
  }
}
