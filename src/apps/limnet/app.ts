/** LIM-Net as an app of the server: its models, its strategies, its engine. */
import { mkdir } from "node:fs/promises";
import type { CodeTable } from "../../dicom/seg/codes.js";
import { checkAnswerFits, checkFits } from "../../engine/budget.js";
import type { Engine, FusionKind, LimnetSettings, Progress, SegmentJob, SegmentResult } from "../../engine/protocol.js";
import { LocalQueue, type LocalQueueOptions } from "../../jobs/local.js";
import { LimnetError } from "../../errors.js";
import type { RunOptions } from "../../jobs/jobs.js";
import type { Peers } from "../../jobs/peers.js";
import type { App, AppLimits, InferTask, Objects, Strategy } from "../app.js";
import { scoringMethods } from "../scoring/methods.js";
import { firstStrategy, lastStrategy, randomStrategy } from "../strategies.js";
import type { SharedTurns } from "../../datastore/file-turns.js";
import { type Log, silentLog } from "../../datastore/log.js";
import { aliasKind, aliasTask } from "./aliases.js";
import { AnswerCache } from "./answer-cache.js";
import { Desk } from "./desk.js";
import { Journals } from "./journals.js";
import { HeaderCache } from "../../imaging/header-cache.js";
import type { VolumeHeader } from "../../imaging/volume.js";
import { DiskKeeper } from "./keeper.js";
import { KeyedLock, type Wish } from "./lock.js";
import type { SegmentQueue } from "./object-request.js";
import { LimnetObjects } from "./objects.js";
import { LimnetStored } from "./stored.js";
import { kinds, LimnetTask, type TaskContext } from "./task.js";
import { OutlineTask, outlineTaskName } from "./outline-task.js";
import { uncertaintyStrategy } from "./uncertainty.js";

/** What may be published. */
export const modelNames: readonly string[] = [...kinds.map(({ name }) => name), outlineTaskName];

export interface LimnetAppOptions {
  readonly name: string;
  readonly description: string;
  readonly version: string;
  /** Names that clients offer; any other name may be clicked too. */
  readonly labels: readonly string[];
  /** What labels mean in DICOM; default: nothing is known. */
  readonly codes?: CodeTable;
  /** Runs the jobs; not needed where a queue is given that has engines elsewhere. */
  readonly engine?: Engine;
  /** Folder of the journals; made when missing. */
  readonly stateDir: string;
  /** Bytes that journals and kept masks may take (keeper.ts); default: no limit. */
  readonly stateLimit?: number;
  readonly log?: Log;
  /** Default: one in this process, in front of the engine. Closed with the app. */
  readonly queue?: SegmentQueue;
  /** Other servers on the same state folder. Closed with the app. */
  readonly peers?: Peers;
  /** Needed where there are other servers: what only one of them may do at a time. */
  readonly turns?: SharedTurns;
  /** Digest of the networks of the engine, where it is known: results of others are computed again. */
  readonly modelDigest?: string;
  /** What GET /model/{model} gives; default nothing. */
  readonly modelFiles?: TaskContext["modelFiles"];
  /** Of the queue that the app makes: how many jobs may wait, who is told of them. */
  readonly queueing?: LocalQueueOptions;
  /** Bytes that may be used in all; default: not looked at. */
  readonly memoryBytes?: number;
  /** Default "network". */
  readonly fusion?: FusionKind;
  /** Default "permanent". */
  readonly memory?: LimnetSettings["memory"];
  readonly limits?: AppLimits;
  /** Makes the order of strategy random a fixed shuffle. */
  readonly seed?: string;
  /** Offers no strategies, or no scoring; default false. */
  readonly skipStrategies?: boolean;
  readonly skipScoring?: boolean;
  /** Names of the models to publish; default all. */
  readonly models?: readonly string[];
  /** Further names under which they are published (aliases.ts). */
  readonly aliases?: readonly string[];
}

export class LimnetApp implements App {
  readonly name: string;
  readonly description: string;
  readonly version: string;
  readonly labels: readonly string[];
  readonly codes: CodeTable;
  readonly modelDigest?: string;
  readonly models: ReadonlyMap<string, InferTask>;
  readonly strategies: ReadonlyMap<string, Strategy>;
  readonly objects: Objects;
  readonly scoring: ReturnType<typeof scoringMethods>;
  readonly #options: LimnetAppOptions;
  readonly queue: SegmentQueue;
  readonly #keeper: DiskKeeper;
  readonly #lock: KeyedLock;

  constructor(options: LimnetAppOptions) {
    const { name, description, version, labels, engine, stateDir, modelDigest, memoryBytes } = options;
    this.#options = options;
    this.queue = options.queue ?? new LocalQueue((job, run) => segmentOn(engine, job, run), options.queueing);
    this.name = name;
    this.description = description;
    this.version = version;
    this.labels = labels;
    this.codes = options.codes ?? {};
    this.modelDigest = modelDigest;
    const { peers, turns } = options;
    const journals = new Journals(stateDir, { turns });
    const lock = this.#lock = new KeyedLock(turns ? { turns, tell: (wish) => peers?.send({ lock: wish }) } : null);
    const desk = new Desk(peers);
    peers?.listen({
      heard: (word) => {
        const { lock: wish } = word as { lock?: Wish };
        if (wish) lock.replace(wish);
        else desk.heard(word);
      },
      asked: (word) => desk.asked(word),
    });
    this.#keeper = new DiskKeeper({ journals, lock, stateDir, turns, limitBytes: options.stateLimit ?? Infinity, log: options.log ?? silentLog });
    const context: TaskContext = {
      workshop: { queue: this.queue, modelDigest },
      checkMemory: memoryBytes === undefined ? undefined : (header: VolumeHeader) => (engine ? checkFits : checkAnswerFits)(header, memoryBytes),
      devices: () => devicesOf(engine), journals, labels, lock, keeper: this.#keeper, desk, answers: new AnswerCache(), headers: new HeaderCache(options.limits), modelFiles: options.modelFiles ?? [],
      fusion: options.fusion ?? "network", memory: options.memory ?? "permanent", limits: options.limits ?? {},
    };
    const published = kinds.filter((kind) => options.models?.includes(kind.name) ?? true);
    const tasks = new Map(kinds.map((kind) => [kind.name, new LimnetTask(kind, context)]));
    this.models = new Map([
      ...published.map(({ name: own }): [string, InferTask] => [own, tasks.get(own)!]),
      ...((options.models ?? modelNames).includes(outlineTaskName) ? [[outlineTaskName, new OutlineTask(context)] as const] : []),
      ...(options.aliases ?? []).map((alias): [string, InferTask] => [alias, aliasTask(alias, tasks.get(aliasKind(alias).model)!, context)]),
    ]);
    this.objects = new LimnetObjects(context);
    const stored = new LimnetStored("", context);
    this.scoring = options.skipScoring ? new Map() : scoringMethods();
    this.strategies = new Map(options.skipStrategies ? [] : [
      ["random", randomStrategy({ seed: options.seed })], ["first", firstStrategy()], ["last", lastStrategy()],
      ["uncertainty", uncertaintyStrategy(() => stored.journals())],
    ]);
  }

  async start(): Promise<void> {
    await mkdir(this.#options.stateDir, { recursive: true, mode: 0o700 });
    void this.#keeper.sweep();
    await this.#options.engine?.start();
  }

  /** Resolves when nothing is left of all requests, nor of what their answers did not wait for. */
  idle(): Promise<void> {
    return this.#lock.idle();
  }

  async close(): Promise<void> {
    this.#options.peers?.close();
    await this.queue.close();
    await this.idle();
    await this.#keeper.close();
    await this.#options.engine?.close();
  }
}

/** Clients send the first one back with every request: it must be the one that serves them best. */
function devicesOf(engine: Engine | undefined): readonly string[] {
  if (engine === undefined) return ["auto", "cpu", "cuda"];
  const { device = "cpu" } = engine;
  return device === "cpu" ? ["cpu"] : [device, "cpu"];
}

function segmentOn(engine: Engine | undefined, job: SegmentJob, options: RunOptions<Progress>): Promise<SegmentResult> {
  if (engine === undefined) throw new LimnetError("queue_gone", "This server has no engine and no queue to one.");
  return engine.segment(job, options);
}
