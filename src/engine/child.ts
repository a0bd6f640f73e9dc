/** Entry of the engine's process: owns the sessions, the volumes and the caches; one job at work at a time. Started by client.ts. */
import { setImmediate as immediate } from "node:timers/promises";
import { FeatureCache } from "../apps/limnet/propagation/features.js";
import { LimnetError } from "../errors.js";
import { checkFits, type Header, planMemory } from "./budget.js";
import { hasCuda } from "./cuda.js";
import { Devices } from "./devices.js";
import { openModel } from "./models.js";
import { OnnxNetworks, type OnnxOptions } from "./onnx.js";
import type { EngineCommand, EngineEvent, SegmentJob, Urgency } from "./protocol.js";
import { Reservations } from "./reservations.js";
import { runSegment } from "./run.js";
import { StateWriter } from "./state.js";
import { Turns } from "./turns.js";
import { VolumeStore } from "./volumes.js";

/** First argument of the process, as JSON. */
export interface ChildOptions {
  readonly modelsDir: string;
  /** Name in the manifest; default the manifest's own choice. */
  readonly model?: string;
  readonly threads?: number;
  readonly device?: OnnxOptions["device"];
  readonly precision?: OnnxOptions["precision"];
  /** Bytes for cached slice features; default what memoryBytes leaves for them. */
  readonly cacheBytes?: number;
  /** Bytes of server and engine together. */
  readonly memoryBytes?: number;
}

const send = (event: EngineEvent) => {
  if (process.connected) process.send?.(event);
};

/** Any error as one of the catalogue; what is none of ours goes to stderr, because it may hold paths. */
function readable(error: unknown): { code: string; message: string } {
  if (error instanceof LimnetError) return { code: error.code, message: error.message };
  if (error instanceof RangeError && /alloc|invalid.*length/i.test(error.message)) {
    return { code: "out_of_memory", message: "The job needs more memory than is free. Close other programs or send a smaller volume." };
  }
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  return { code: "engine_failed", message: "The engine failed on this job. The log of the server says more." };
}

function noCardsFor(device: ChildOptions["device"]): string | undefined {
  if (device === "cpu") return "and this server was started with the CPU alone (--conf device cpu)";
  return hasCuda() ? undefined : "but ONNX Runtime has no CUDA here (node node_modules/onnxruntime-node/script/install.js --onnxruntime-node-install=cuda12 fetches it)";
}

async function main({ modelsDir, model: name, threads, device, precision, cacheBytes, memoryBytes = Infinity }: ChildOptions): Promise<void> {
  const model = await openModel(modelsDir, name);
  // They are opened when they are first needed; until then nothing of them is held.
  await Promise.all(model.graphs.map((graph) => model.check(graph)));
  const onNote = (text: string) => send({ type: "note", text });
  const own = new OnnxNetworks(model, { threads, device, precision, onNote });
  await own.warmUp();
  const devices = new Devices({ own, noCards: noCardsFor(device), onNote, open: (place) => new OnnxNetworks(model, { threads, device: place, precision }) });
  // The bytes that the sessions were made of would stay until there is work, which may be never.
  await immediate();
  globalThis.gc?.();
  const budget = planMemory(memoryBytes);
  const volumes = new VolumeStore();
  const bench = { model: model.digest, volumes, cache: new FeatureCache(cacheBytes ?? budget.cacheBytes), states: new StateWriter() };
  // Without a budget, volumes are kept up to the store's own measure.
  const reservations = new Reservations(budget.workBytes, (room) => volumes.setBudget(Math.min(room, 2 ** 30)));
  const running = new Map<number, AbortController>();
  const turns = new Turns();

  const segment = async (id: number, job: SegmentJob, urgency: Urgency) => {
    const abort = new AbortController();
    running.set(id, abort);
    const turn = turns.enter(urgency, abort.signal, (waits) => send({ type: waits ? "paused" : "resumed", id }));
    const memory = reservations.open((why) => abort.abort(why));
    const reserve = (header: Header) => {
      checkFits(header, memoryBytes);
      memory.reserve(header);
    };
    const pause = async () => {
      // Through the event loop, or nobody could come.
      await immediate();
      await turn.pause();
    };
    try {
      const result = await runSegment(job, {
        ...bench, networks: await devices.on(job.device), signal: abort.signal, pause, reserve, onProgress: (progress) => send({ type: "progress", id, progress }),
      });
      send({ type: "done", id, result });
    } catch (error) {
      send({ type: "failed", id, ...readable(error) });
    } finally {
      memory.release();
      turn.leave();
      running.delete(id);
    }
  };
  process.on("message", (command: EngineCommand) => {
    if (command.type === "segment") void segment(command.id, command.job, command.urgency);
    else if (command.type === "cancel") {
      running.get(command.id)?.abort(new LimnetError("engine_cancelled", "The job was cancelled before it was done."));
    } else process.exit(0);
  });
  send({ type: "ready", models: model.digest, device: own.device });
}

// The parent is gone or has closed the channel: nobody waits for an answer.
process.on("disconnect", () => process.exit(0));
// Ctrl-C reaches the whole group; the parent decides when the engine ends.
process.on("SIGINT", () => {});

main(JSON.parse(process.argv[2]) as ChildOptions).catch((error: unknown) => {
  const event: EngineEvent = { type: "unusable", ...readable(error) };
  process.send?.(event, () => process.exit(1));
});
