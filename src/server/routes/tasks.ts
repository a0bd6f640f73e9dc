/** Background tasks (protocol 1.6): training, batch inference, scoring. Each kind is a line of tasks that run one after the other. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { batchInfer, batchRequest, imageChoices, parseBatchRequest } from "../../apps/batch.js";
import type { GivenTask, TaskFamily, TaskObject } from "../../apps/background.js";
import { LimnetError } from "../../errors.js";
import { signature } from "../auth/roles.js";
import { readDictionary } from "../bodies.js";
import { scratchRoot, type TaskLines } from "../context.js";
import { type Call, type Endpoint, endpoint } from "../endpoint.js";
import { keepProvenance } from "../provenance.js";
import { findModel } from "./infer.js";
import { booleanText } from "./schemas.js";

const tag = "Tasks";
const taskObject = z.looseObject({
  id: z.string(),
  status: z.enum(["SUBMITTED", "RUNNING", "DONE", "ERROR", "STOPPED"]),
  request: z.record(z.string(), z.unknown()),
  start_ts: z.string(),
  end_ts: z.string().optional(),
  details: z.array(z.string()).optional(),
}).meta({ id: "Task" });
/** An object; a missing body and null are the same as {}. */
const options = { type: ["object", "null"], additionalProperties: true } as const;

export function taskRoutes(): Endpoint[] {
  return [...training(), ...batchInference(), ...scoring()];
}

/** Asking for tasks, and stopping them. */
function statusRoutes(path: string, kind: string, change: "admin" | "annotator", line: (lines: TaskLines) => TaskFamily): Endpoint[] {
  return [
    endpoint({
      method: "get", path, tag, role: "user", summary: `${kind}: the newest task, the running one, or all`,
      querySchema: z.object({ all: booleanText, check_if_running: booleanText }),
      reply: { "application/json": z.union([taskObject, z.array(taskObject)]) }, fails: [404],
      handle({ query, context: { tasks } }) {
        const family = line(tasks);
        const found = query.check_if_running ? family.running() : query.all ? notEmpty(family.all()) : family.newest();
        if (found) return found;
        throw new LimnetError("not_found", query.check_if_running ? `No ${kind} Tasks are currently Running` : `No ${kind} Tasks Found`);
      },
    }),
    endpoint({
      method: "delete", path, tag, role: change, summary: `${kind}: stops what runs and what waits; null where nothing does`,
      reply: { "application/json": z.union([taskObject, z.null()]) },
      handle: ({ context: { tasks } }) => line(tasks).stop(),
    }),
  ];
}

function notEmpty(all: TaskObject[]): TaskObject[] | null {
  return all.length > 0 ? all : null;
}

/** Nothing is trained on this server: `/info/` names no trainer, and who asks all the same is told so instead of being given a task that does nothing. */
function training(): Endpoint[] {
  const routes = ["/train/", "/train/{model}"].map((path) => endpoint({
    method: "post", path, tag, role: "admin", summary: "Train: this server has no trainers",
    ...(path.includes("{") && { pathSchema: z.object({ model: z.string() }) }),
    querySchema: z.object({ run_sync: booleanText, enqueue: booleanText }),
    body: { "application/json": options }, fails: [501],
    conformance: { state: "refused", note: "501 with a sentence: `/info/` names no trainer." },
    handle() {
      throw new LimnetError("not_implemented", "This server has no trainers: its networks come ready, and /info/ lists none to train. Labels that you submit are kept.");
    },
  }));
  return [...statusRoutes("/train/", "Train", "admin", ({ train }) => train), ...routes];
}

function batchInference(): Endpoint[] {
  return [...statusRoutes("/batch/infer", "Batch_infer", "admin", ({ batch }) => batch), endpoint({
    method: "post", path: "/batch/infer/{model}", tag, role: "admin",
    summary: "Runs a model on many images and stores its masks as labels; a model that needs clicks takes those that are stored",
    pathSchema: z.object({ model: z.string() }),
    querySchema: z.object({ images: z.enum(imageChoices).default("all"), run_sync: booleanText }),
    body: { "application/json": batchRequest.nullable() }, fails: [404, 406, 429],
    reply: { "application/json": z.union([taskObject, z.record(z.string(), z.looseObject({}))]) },
    conformance: { note: "An image without stored clicks is skipped; `progress` of the task lists it." },
    async handle(call) {
      const { path, query, req, res, user, context } = call;
      if (!context.config.batchTasks) throw new LimnetError("tasks_off", "Batch inference is switched off on this server (MONAI_LABEL_TASKS_BATCH_INFER).");
      const task = findModel(context.app, path.model);
      const request = parseBatchRequest(await readDictionary(req, res, context.config));
      const { model } = path;
      const tempDir = join(scratchRoot(context.config), `batch-${randomUUID()}`);
      const saved = (label: { id: string; tag: string }) => keepProvenance(context, { ...label, user: user.id, everyone: true });
      const job = { model, task, datastore: context.datastore, images: query.images, request, signature: signature(user), tempDir, saved };
      const given = context.tasks.batch.give({ model, images: query.images, ...request }, (desk) => batchInfer(job, desk));
      return answer(call, context.tasks.batch, given, query.run_sync);
    },
  })];
}

function scoring(): Endpoint[] {
  const querySchema = z.object({ run_sync: booleanText });
  const body = { "application/json": options };
  return [
    ...statusRoutes("/scoring/", "Scoring", "annotator", ({ scoring: line }) => line),
    endpoint({
      method: "post", path: "/scoring/", tag, role: "annotator", summary: "Scoring: gives a task to every method", querySchema, body,
      reply: { "application/json": z.record(z.string(), z.object({ result: z.unknown(), detail: z.string().nullable() })) },
      async handle(call) {
        const { query, req, res, context } = call;
        const request = await readDictionary(req, res, context.config);
        const given = [...context.app.scoring?.keys() ?? []].map((method) => ({ method, task: giveScoring(call, method, request, true) }));
        const answers = given.map(async ({ method, task }) => {
          try {
            return [method, { result: await answer(call, context.tasks.scoring, task, query.run_sync), detail: null }];
          } catch (error) {
            if (!(error instanceof LimnetError)) throw error;
            return [method, { result: null, detail: error.message }];
          }
        });
        return Object.fromEntries(await Promise.all(answers));
      },
    }),
    endpoint({
      method: "post", path: "/scoring/{method}", tag, role: "annotator", summary: "Scoring: compares stored labels, and notes the scores in the infos of the images",
      pathSchema: z.object({ method: z.string() }), querySchema, body, fails: [404, 429],
      reply: { "application/json": z.union([taskObject, z.record(z.string(), z.unknown())]) },
      async handle(call) {
        const { path, query, req, res, context } = call;
        const request = await readDictionary(req, res, context.config);
        return answer(call, context.tasks.scoring, giveScoring(call, path.method, request, false), query.run_sync);
      },
    }),
  ];
}

function giveScoring({ context: { app, datastore, tasks } }: AnyCall, method: string, request: Record<string, unknown>, enqueue: boolean): GivenTask<unknown> {
  const scorer = app.scoring?.get(method);
  if (!scorer) {
    const known = [...app.scoring?.keys() ?? []].join(", ") || "none";
    throw new LimnetError("unknown_method", `There is no scoring method ${JSON.stringify(method.slice(0, 80))}. Methods of this server: ${known}.`);
  }
  return tasks.scoring.give({ method, ...request }, (desk) => scorer.run(request, datastore, desk), { enqueue });
}

type AnyCall = Pick<Call<unknown, unknown>, "context" | "signal">;

/** The task, or with `run_sync` what comes out of it; a client that hangs up while it waits stops its task. */
async function answer<T>({ signal, context }: AnyCall, family: TaskFamily, { object, result }: GivenTask<T>, wait: boolean): Promise<TaskObject | T> {
  if (!wait) {
    result.catch((error: unknown) => {
      if (error instanceof LimnetError) context.log.info("task ended", { kind: family.kind, code: error.code });
      else context.log.error("task failed", { kind: family.kind, error: String((error as Error)?.stack ?? error) });
    });
    return object;
  }
  const stop = () => family.stopTask(object.id);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await result;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
