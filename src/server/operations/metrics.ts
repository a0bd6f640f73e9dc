/** Figures for Prometheus: base units, few labels, nobody and no image named. */
import type { Request, RequestHandler, Response } from "express";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { App } from "../../apps/app.js";
import type { SegmentResult } from "../../engine/protocol.js";
import { type QueueObserver, urgencies } from "../../jobs/jobs.js";

const quick = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const perSlice = [0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1, 2];

export class Metrics {
  readonly registry = new Registry();
  readonly #requests: Histogram<"method" | "route" | "status">;
  readonly #inFlight: Gauge;
  readonly #clicks: Histogram<"model" | "outcome">;
  readonly #waited: Histogram<"urgency">;
  readonly #worked: Histogram<"urgency" | "outcome">;
  readonly #stages: Histogram<"stage">;
  readonly #slices: Histogram;
  readonly #propagated: Counter;
  readonly #decided: Counter<"winner">;
  readonly #features: Counter<"result">;

  constructor() {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.#requests = new Histogram({
      name: "limnet_http_request_duration_seconds", help: "From the first byte of a request to the last of its answer",
      labelNames: ["method", "route", "status"], buckets: quick, registers,
    });
    this.#inFlight = new Gauge({ name: "limnet_http_requests_in_flight", help: "Requests that are being answered", registers });
    this.#clicks = new Histogram({
      name: "limnet_click_duration_seconds", help: "What a client waits for POST /infer/{model}, waiting for its turn included",
      labelNames: ["model", "outcome"], buckets: quick, registers,
    });
    this.#waited = new Histogram({
      name: "limnet_queue_wait_seconds", help: "How long jobs waited for their turn", labelNames: ["urgency"], buckets: quick, registers,
    });
    this.#worked = new Histogram({
      name: "limnet_job_duration_seconds", help: "How long jobs were at work, pauses for more pressing ones included",
      labelNames: ["urgency", "outcome"], buckets: quick, registers,
    });
    this.#stages = new Histogram({
      name: "limnet_round_stage_seconds", help: "Parts of a round: click, propagation, fusion", labelNames: ["stage"], buckets: quick, registers,
    });
    this.#slices = new Histogram({
      name: "limnet_propagation_slice_seconds", help: "Mean time of a propagated slice, one observation a round", buckets: perSlice, registers,
    });
    this.#propagated = new Counter({ name: "limnet_propagated_slices_total", help: "Slices that the propagation network decoded", registers });
    this.#decided = new Counter({
      name: "limnet_fused_slices_total", help: "Slices on which fusion chose, by winner", labelNames: ["winner"], registers,
    });
    this.#features = new Counter({
      name: "limnet_feature_cache_requests_total", help: "Features of slices that the engine asked its cache for", labelNames: ["result"], registers,
    });
  }

  /** For the queue (jobs.ts), wherever the engines are. */
  readonly queue: QueueObserver = {
    finished: ({ urgency, waited, worked, outcome, result }) => {
      this.#waited.observe({ urgency }, waited);
      this.#worked.observe({ urgency, outcome }, worked);
      const { hits, misses } = (result as SegmentResult | undefined)?.features ?? { hits: 0, misses: 0 };
      this.#features.inc({ result: "hit" }, hits);
      this.#features.inc({ result: "miss" }, misses);
      for (const round of (result as SegmentResult | undefined)?.rounds ?? []) {
        this.#stages.observe({ stage: "click" }, round.clickSeconds);
        this.#stages.observe({ stage: "propagate" }, round.propagateSeconds);
        this.#stages.observe({ stage: "fuse" }, round.fuseSeconds);
        if (round.propagated > 0) this.#slices.observe(round.propagateSeconds / round.propagated);
        this.#propagated.inc(round.propagated);
        for (const { winner } of round.slices) this.#decided.inc({ winner });
      }
    },
  };

  /** Gauges that are read when they are asked for. */
  watch(app: App): void {
    const { queue } = app;
    if (queue === undefined) return;
    const gauge = (name: string, help: string, read: (urgency: (typeof urgencies)[number]) => number) => new Gauge({
      name, help, labelNames: ["urgency"], registers: [this.registry],
      collect() {
        for (const urgency of urgencies) this.set({ urgency }, read(urgency));
      },
    });
    gauge("limnet_jobs_waiting", "Jobs of this server that wait for their turn", (urgency) => queue.waiting(urgency));
    gauge("limnet_jobs_running", "Jobs of this server at work", (urgency) => queue.running(urgency));
  }

  /** `count`: sessions that are kept now. */
  watchSessions(count: () => Promise<number>): void {
    new Gauge({
      name: "limnet_sessions", help: "Sessions that are kept: images that clients sent", registers: [this.registry],
      async collect() {
        this.set(await count());
      },
    });
  }

  /** Requests to the archive. */
  watchArchive(archive: { onAnswer: ((method: string, status: number, seconds: number) => void) | null }): void {
    const asked = new Histogram({
      name: "limnet_archive_request_duration_seconds", help: "From a request to the archive to the head of its answer; status 0: none came",
      labelNames: ["method", "status"], buckets: quick, registers: [this.registry],
    });
    archive.onAnswer = (method, status, seconds) => asked.observe({ method, status: String(status) }, seconds);
  }

  /** Labels on their way into the archive. */
  watchOutbox(list: () => readonly { readonly state: string; readonly created: string }[]): void {
    const registers = [this.registry];
    new Gauge({
      name: "limnet_outbox_labels", help: "Labels that are not in the archive yet", labelNames: ["state"], registers,
      collect() {
        for (const state of ["waiting", "refused"]) this.set({ state }, list().filter((one) => one.state === state).length);
      },
    });
    new Gauge({
      name: "limnet_outbox_oldest_seconds", help: "Age of the label that waits longest for the archive; 0 where none does", registers,
      collect() {
        this.set(Math.max(0, ...list().map(({ created }) => (Date.now() - Date.parse(created)) / 1000)));
      },
    });
  }

  /** Times every request. Paths that nobody serves count as one. */
  requests(): RequestHandler {
    return (req, res, next) => {
      const start = performance.now();
      this.#inFlight.inc();
      res.once("close", () => {
        this.#inFlight.dec();
        this.#observe(req, res, (performance.now() - start) / 1000);
      });
      next();
    };
  }

  #observe(req: Request, res: Response, seconds: number): void {
    const route = String(res.locals.route ?? "none");
    const status = res.writableFinished ? String(res.statusCode) : "aborted";
    const method = ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"].includes(req.method) ? req.method : "other";
    this.#requests.observe({ method, route, status }, seconds);
    // A name that is no model of ours would make a new series each.
    if (route === "/infer/{model}" && status !== "404") this.#clicks.observe({ model: String(req.params.model), outcome: status }, seconds);
  }
}
