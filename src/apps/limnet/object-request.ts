/** What is asked of an object, who looks on, and what comes of it. */
import type { Device } from "../../engine/device.js";
import type { Progress, SegmentJob, SegmentResult } from "../../engine/protocol.js";
import type { JobOptions, JobQueue } from "../../jobs/jobs.js";
import type { ImageSource } from "../app.js";
import type { History, StateRecord, Step } from "./rounds/history.js";

export interface ObjectRequest {
  readonly image: ImageSource;
  readonly user: string;
  readonly signal: AbortSignal;
  /** Where rounds that are computed run; no part of what they are: kept rounds of another device count. */
  readonly device?: Device;
  readonly watch?: Watch;
  /** What the queue is told of each round (jobs.ts): how pressing it is, what takes its place. */
  readonly place?: Pick<JobOptions, "urgency" | "giveWay" | "requestId">;
  /** Told of the mask to come (as ObjectState has it) before it is in the journal: what is made of it must not leave earlier. */
  readonly ready?: (fusedPath: string | null) => void;
  /** Told, where the engine says so, that the packed mask of the state to come lies beside its place; the state may still fail. */
  readonly masked?: (fusedPath: string) => void;
  /** The answer is made of the mask alone and need not wait for the state behind it: ObjectWork.rest does. */
  readonly early?: boolean;
}

/** Who is told how the work goes on. `round` counts from 1. */
export interface Watch {
  /** Whether anybody looks: what changes on each slice is worked out for them. */
  readonly changes: boolean;
  queued(place: number, round: number): void;
  progress(progress: Progress, round: number): void;
  done(record: StateRecord, round: number): void;
}

export interface ObjectState {
  /** The step that the answer shows; null for the empty mask. */
  readonly step: Step | null;
  /** History after the request. */
  readonly history: History;
  /** Fused probabilities after the last round (uint8, grid of the image, gzip); null without rounds. */
  readonly fusedPath: string | null;
  /** Names of the states that were computed for this request. */
  readonly ran: ReadonlySet<string>;
  /** Seconds that they took; 0 where everything was kept. */
  readonly engineSeconds: number;
}

/** The way to an engine, wherever it is. */
export type SegmentQueue = JobQueue<SegmentJob, SegmentResult, Progress>;

export interface Workshop {
  readonly queue: SegmentQueue;
  /** Digest of the networks that the engine runs, where it is known beforehand: results of others are not gone on from. */
  readonly modelDigest?: string;
}
