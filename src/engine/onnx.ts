/** The networks on ONNX Runtime. Lives in the engine's child process only: a run blocks its thread. */
import { availableParallelism } from "node:os";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { clickMapCount, type GraphName, greyImage, type NetworkSettings, type Tensor } from "../apps/limnet/networks.js";
import { LimnetError } from "../errors.js";
import { hasCuda } from "./cuda.js";
import { cardOf, type Device, type Place } from "./device.js";
import type { PlacedNetworks } from "./devices.js";
import type { Model, Precision } from "./models.js";
import { faster, sampleFeeds } from "./precision.js";

export interface OnnxOptions {
  /** Threads inside one run; default: all cores. */
  readonly threads?: number;
  readonly device?: Device;
  /** "auto": int8 where the manifest allows it and it is the faster one here. */
  readonly precision?: "auto" | Precision;
  /** What a person should know, in a sentence: a device that is missing, what precision was taken. */
  readonly onNote?: (sentence: string) => void;
}

export class OnnxNetworks implements PlacedNetworks {
  readonly settings: NetworkSettings;
  readonly #model: Model;
  readonly #threads: number;
  readonly #options: OnnxOptions;
  #device: Place;
  readonly #precision = new Map<GraphName, Precision>();
  readonly #sessions = new Map<GraphName, Promise<InferenceSession>>();

  constructor(model: Model, options: OnnxOptions = {}) {
    this.#model = model;
    this.settings = model.settings;
    this.#threads = options.threads ?? availableParallelism();
    this.#options = options;
    const { device = "auto" } = options;
    this.#device = device !== "auto" ? device : hasCuda() ? "cuda" : "cpu";
  }

  /** Where the networks run. Known for sure after `warmUp`. */
  get device(): Place {
    return this.#device;
  }

  /** Precision of a graph; "fp32" before `warmUp`. */
  precisionOf(graph: GraphName): Precision {
    return this.#precision.get(graph) ?? "fp32";
  }

  /** Opens what a click needs and runs it once at each size, so that the first click is as quick as the others. */
  async warmUp(): Promise<void> {
    await this.#choosePrecision();
    const { size: whole, zoom, channels } = this.settings.click;
    const maps = clickMapCount(this.settings.click);
    for (const size of new Set([whole, zoom.size ?? whole])) {
      await this.run("click", {
        image: greyImage(new Float32Array(size * size), size, channels),
        maps: { data: new Float32Array(maps * size * size), dims: [1, maps, size, size] },
      });
    }
  }

  /** Throws bad_model (graph missing, changed, or not fitting its feeds), out_of_memory. */
  async run(graph: GraphName, feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    const session = await this.#session(graph);
    try {
      return (await session.run(ortFeeds(feeds))) as unknown as Record<string, Tensor>;
    } catch (cause) {
      throw failed(graph, cause);
    }
  }

  /** int8 is for the CPU; whether it is faster depends on its instructions, so it is tried. */
  async #choosePrecision(): Promise<void> {
    const { precision = "auto", onNote } = this.#options;
    if (this.#device !== "cpu" || precision === "fp32") return;
    for (const graph of this.#model.int8) {
      if (precision === "int8") this.#precision.set(graph, "int8");
      else {
        const feeds = ortFeeds(sampleFeeds(graph, this.settings));
        const [fp32, int8] = [await this.#create(graph, "fp32"), await this.#create(graph, "int8")];
        const found = await faster(() => fp32.run(feeds), () => int8.run(feeds));
        this.#precision.set(graph, found.secondWins ? "int8" : "fp32");
        onNote?.(`The graph "${graph}" takes ${found.first.toFixed(1)} ms in fp32 and ${found.second.toFixed(1)} ms in int8 here: ${this.precisionOf(graph)} is taken.`);
        await Promise.all([fp32.release(), int8.release()]);
      }
    }
  }

  async close(): Promise<void> {
    const open = [...this.#sessions.values()];
    this.#sessions.clear();
    for (const session of open) await (await session).release();
  }

  #session(graph: GraphName): Promise<InferenceSession> {
    const known = this.#sessions.get(graph);
    if (known !== undefined) return known;
    const opened = this.#open(graph);
    this.#sessions.set(graph, opened);
    opened.catch(() => this.#sessions.delete(graph));
    return opened;
  }

  #open(graph: GraphName): Promise<InferenceSession> {
    return this.#create(graph, this.precisionOf(graph));
  }

  async #create(graph: GraphName, precision: Precision): Promise<InferenceSession> {
    const bytes = await this.#model.load(graph, precision);
    const open = (executionProviders: InferenceSession.ExecutionProviderConfig[]) => InferenceSession.create(bytes, {
      executionProviders, intraOpNumThreads: this.#threads, interOpNumThreads: 1, graphOptimizationLevel: "all", logSeverityLevel: 3,
      // Threads that spin between operators halve the speed as soon as anything else runs on the machine, the HTTP
      // process for one (measured: key graph at 256, two threads, loaded machine: 92 ms spinning, 35 ms not).
      extra: { session: { intra_op: { allow_spinning: "0" } } },
    });
    try {
      return await open(this.#device === "cpu" ? ["cpu"] : [{ name: "cuda", deviceId: cardOf(this.#device) }, "cpu"]);
    } catch (cause) {
      if (this.#device === "cpu") throw failed(graph, cause);
      // Asked for, or brought along but without a driver: the CPU does it too.
      this.#device = "cpu";
      this.#options.onNote?.(`CUDA cannot be used (${firstLine(cause)}); the networks run on the CPU.`);
      return this.#create(graph, precision);
    }
  }
}

function ortFeeds(feeds: Readonly<Record<string, Tensor>>): Record<string, OrtTensor> {
  return Object.fromEntries(Object.entries(feeds).map(([name, { data, dims }]) =>
    [name, data instanceof Float32Array ? new OrtTensor("float32", data, dims) : new OrtTensor("int64", data, dims)]));
}

const firstLine = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause)).split("\n")[0].slice(0, 200);

function failed(graph: GraphName, cause: unknown): LimnetError {
  const text = cause instanceof Error ? cause.message : String(cause);
  if (/bad_alloc|allocat|out of memory/i.test(text)) {
    return new LimnetError("out_of_memory", "The networks need more memory than is free. Close other programs or use a smaller volume.", { cause });
  }
  return new LimnetError("bad_model", `The graph "${graph}" cannot be run: ${text.slice(0, 300)}`, { cause });
}
