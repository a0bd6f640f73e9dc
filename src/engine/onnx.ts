/** The networks on ONNX Runtime. Lives in the engine's child process only: a run blocks its thread. */
import { availableParallelism } from "node:os";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import type { GraphName, Networks, NetworkSettings, Tensor } from "../apps/limnet/networks.js";
import { LimnetError } from "../errors.js";
import type { Model } from "./models.js";

export interface OnnxOptions {
  /** Threads inside one run; default: all cores. */
  readonly threads?: number;
}

export class OnnxNetworks implements Networks {
  readonly settings: NetworkSettings;
  readonly #model: Model;
  readonly #threads: number;
  readonly #sessions = new Map<GraphName, Promise<InferenceSession>>();

  constructor(model: Model, options: OnnxOptions = {}) {
    this.#model = model;
    this.settings = model.settings;
    this.#threads = options.threads ?? availableParallelism();
  }

  /** Opens what a click needs and runs it once, so that the first click is as quick as the others. */
  async warmUp(): Promise<void> {
    const { size, geodesic } = this.settings.click;
    const maps = 3 + 2 * geodesic.length;
    await this.run("click", {
      image: { data: new Float32Array(size * size), dims: [1, 1, size, size] },
      maps: { data: new Float32Array(maps * size * size), dims: [1, maps, size, size] },
    });
  }

  /** Throws bad_model (graph missing, changed, or not fitting its feeds), out_of_memory. */
  async run(graph: GraphName, feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    const session = await this.#session(graph);
    const inputs: Record<string, OrtTensor> = {};
    for (const [name, { data, dims }] of Object.entries(feeds)) {
      inputs[name] = data instanceof Float32Array ? new OrtTensor("float32", data, dims) : new OrtTensor("int64", data, dims);
    }
    try {
      return (await session.run(inputs)) as unknown as Record<string, Tensor>;
    } catch (cause) {
      throw failed(graph, cause);
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

  async #open(graph: GraphName): Promise<InferenceSession> {
    const bytes = await this.#model.load(graph);
    try {
      return await InferenceSession.create(bytes, {
        executionProviders: ["cpu"], intraOpNumThreads: this.#threads, interOpNumThreads: 1, graphOptimizationLevel: "all",
        logSeverityLevel: 3,
        // Threads that spin between operators halve the speed as soon as anything else runs on the machine, the HTTP
        // process for one (measured: key graph at 256, two threads, loaded machine: 92 ms spinning, 35 ms not).
        extra: { session: { intra_op: { allow_spinning: "0" } } },
      });
    } catch (cause) {
      throw failed(graph, cause);
    }
  }
}

function failed(graph: GraphName, cause: unknown): LimnetError {
  const text = cause instanceof Error ? cause.message : String(cause);
  if (/bad_alloc|allocat|out of memory/i.test(text)) {
    return new LimnetError("out_of_memory", "The networks need more memory than is free. Close other programs or use a smaller volume.", { cause });
  }
  return new LimnetError("bad_model", `The graph "${graph}" cannot be run: ${text.slice(0, 300)}`, { cause });
}
