/** The objects of all users, beside the models: their history, undo and redo, locked and chosen slices, who works on them. */
import type { VolumeHeader } from "../../imaging/volume.js";
import type { InferResult, ObjectEvent, ObjectOptions, ObjectRef, Objects, Submission } from "../app.js";
import { LimnetError } from "../../errors.js";
import { Answer } from "./answer.js";
import { objectName } from "./journals.js";
import type { ObjectIdentity } from "./object-folder.js";
import { ObjectWork } from "./object.js";
import type { ObjectState } from "./object-request.js";
import { parseLabel, parseMaskRequest } from "./params.js";
import { journalJson, roundsJson } from "./report.js";
import type { Action } from "./rounds/history.js";
import { clickedStep, nextOfChoice, nextOfLock } from "./rounds/next.js";
import { heldAfter } from "./rounds/program.js";
import { submit } from "./submission.js";
import type { TaskContext } from "./task.js";
import { stateEvent, tellState } from "./tell.js";

const identityOf = ({ image, user, label }: ObjectRef): ObjectIdentity => ({ image: image.id, digest: image.digest, user, label: parseLabel(label, Infinity) });

export class LimnetObjects implements Objects {
  readonly #context: TaskContext;

  constructor(context: TaskContext) {
    this.#context = context;
  }

  async rounds(ref: ObjectRef): Promise<Record<string, unknown>> {
    return roundsJson(ref.image.id, identityOf(ref).label, await this.#read(ref, (journal) => journal.load()));
  }

  async journal(ref: ObjectRef): Promise<Record<string, unknown>> {
    const identity = identityOf(ref);
    return this.#read(ref, async (journal) => {
      const history = await journal.load();
      return journalJson(identity, history, await journal.entries());
    });
  }

  move(ref: ObjectRef, steps: number, options: ObjectOptions): Promise<InferResult> {
    const action = steps < 0 ? "undo" : "redo";
    return this.#change(ref, action, options, (work) => work.move(steps, action));
  }

  lock(ref: ObjectRef, slices: readonly number[] | "all", locked: boolean, options: ObjectOptions): Promise<InferResult> {
    const action = locked ? "lock" : "unlock";
    return this.#change(ref, action, options, async (work, { shape }) => {
      const { way, ops } = clickedStep(work.history);
      const count = shape[way.axis];
      const named = slices !== "all" ? slices : locked ? Array.from({ length: count }, (_, n) => n) : heldAfter(ops);
      checkSlices(named, count);
      return work.follow(nextOfLock(work.history, named, locked), action);
    });
  }

  choose(ref: ObjectRef, { slice, round }: { slice: number; round: number }, options: ObjectOptions): Promise<InferResult> {
    return this.#change(ref, "choose", options, async (work, { shape }) => {
      checkSlices([slice], shape[clickedStep(work.history).way.axis]);
      return work.follow(nextOfChoice(work.history, slice, round), "choose");
    });
  }

  async watch(ref: ObjectRef, listener: (event: ObjectEvent) => void): Promise<() => void> {
    const history = await this.#context.journals.of(identityOf(ref)).load();
    listener(stateEvent(null, history));
    return this.#context.desk.watch(objectName(identityOf(ref)), listener);
  }

  async cancel(ref: ObjectRef): Promise<Record<string, unknown>> {
    return { stopped: await this.#context.desk.cancel(objectName(identityOf(ref))) };
  }

  submit(submission: Submission, keep: (document: unknown) => Promise<void>): Promise<void> {
    return submit(this.#context, submission, keep);
  }

  #read<T>(ref: ObjectRef, work: (journal: ReturnType<TaskContext["journals"]["of"]>) => Promise<T>): Promise<T> {
    return work(this.#context.journals.of(identityOf(ref)));
  }

  #change(
    ref: ObjectRef, action: Action, { signal, tempDir, params }: ObjectOptions,
    act: (work: ObjectWork, grid: VolumeHeader) => Promise<ObjectState>,
  ): Promise<InferResult> {
    const { desk, lock, journals, workshop, limits, answers, headers } = this.#context;
    const identity = identityOf(ref);
    const wanted = parseMaskRequest({ ...params, label: ref.label }, ref.image.ext, limits.maxLabelLength);
    const name = objectName(identity);
    return desk.sit(name, action, signal, (stop, watch) => lock.run(name, { signal: stop }, async () => {
      const start = performance.now();
      const grid = await headers.read(ref.image.path, ref.image.digest);
      const answer = new Answer({ wanted, grid, tempDir, start, answers });
      const ready = (fusedPath: string | null) => answer.begin(fusedPath);
      const work = await ObjectWork.open(workshop, journals.of(identity), { image: ref.image, user: ref.user, signal: stop, watch, ready });
      const state = await act(work, grid);
      tellState(desk, identity, action, state);
      return answer.of(state, state.step?.way.axis ?? 2);
    }));
  }
}

function checkSlices(slices: readonly number[], count: number): void {
  const outside = slices.find((slice) => slice >= count);
  if (outside !== undefined) throw new LimnetError("bad_params", `There is no slice ${outside}: this image has slices 0 to ${count - 1} across the axis of this label.`);
}
