/**
 * What crosses the border of the engine process. Voxels travel as files: a message holds paths and digests only.
 */
import type { Axis, Pixel } from "../imaging/geometry.js";
import type { Device, Place } from "./device.js";

/** One click on a slice. Row and column are those of the slice as `slicePlane` of the imaging room lays it out. */
export interface SliceClick extends Pixel {
  readonly positive: boolean;
}

/** Consecutive clicks on one slice: one round of the method. Without clicks its slice is a prompt as it is. */
export interface RoundRequest {
  readonly slice: number;
  readonly clicks: readonly SliceClick[];
  /** The slice was outlined by hand, with others of the object missing: how large the outlines are tells where it ends. */
  readonly drawn?: true;
}

/** The result of the last round that is kept, from which the next round goes on. */
export interface RoundState {
  /** Fused probabilities, uint8 (0..255; mask where >= 128), grid of the image, i fastest, gzip. Null before the first round. */
  readonly fusedPath: string | null;
  /** Rounds that led there, in order (their slices are prompts; their clicks count when the slice is clicked again). */
  readonly rounds: readonly RoundRequest[];
}

/** Which fusion decides per slice. "oracle" needs the truth and serves evaluation only. */
export type FusionKind = "network" | "none" | "oracle";

export interface LimnetSettings {
  readonly fusion: FusionKind;
  /** "permanent": all prompts stay in memory; "literal": only this round's (paper's equations 5 and 6 read strictly). */
  readonly memory: "permanent" | "literal";
  /** False: only the clicked slice is segmented (model limnet_2d). */
  readonly propagate: boolean;
  /** Grey values mapped to 0..1; null: chosen from the volume. */
  readonly window: readonly [number, number] | null;
  /** Between two prompts: "both" directions are run and blended (default); "one": each half from its nearer prompt alone (evaluation). */
  readonly directions?: "both" | "one";
}

export interface SegmentJob {
  readonly volumePath: string;
  /** Content digest of the volume file: cache key. */
  readonly volumeDigest: string;
  readonly axis: Axis;
  readonly state: RoundState;
  /** Rounds to run, in order. */
  readonly rounds: readonly RoundRequest[];
  /** Slices that the user locked: they stay as they are in the state. */
  readonly held?: readonly number[];
  /** Progress tells what changes on each slice. */
  readonly changes?: boolean;
  /** Folder that receives `<outputs[n]>` per round: written whole under another name, then renamed. */
  readonly outputs: readonly string[];
  readonly settings: LimnetSettings;
  /** Where it is to run; default, and where that is missing: the engine's own device. */
  readonly device?: Device;
  /** Label volume of the same grid (non-zero = object), for `fusion: "oracle"`. */
  readonly truthPath?: string;
  /** Also writes the mask of each round beside its output (mask-bits.ts). */
  readonly masks?: boolean;
  /** Also writes the current set (before fusion) to `<outputs[n]>.current`. */
  readonly keepCurrent?: boolean;
}

/** How pressing a job is, the most pressing first: the more pressing of two goes first, slice by slice (turns.ts). */
export type Urgency = "glance" | "round" | "batch";

export type Winner = "current" | "previous" | "user" | "locked" | "same";

/** What fusion decided for a slice. `probability`: that the winner is the better of the two (1 where nothing was to decide). */
export interface SliceDecision {
  readonly index: number;
  readonly winner: Winner;
  readonly probability: number;
  /**
   * How far the masks of the two directions are apart in this round's set: 1 - Dice, to four digits. Only on slices between two
   * prompts that both directions reached, and where fusion chose between two masks.
   */
  readonly disagreement?: number;
}

/** Fusion chose between two masks; no person had decided before. */
export const isJudged = ({ winner }: SliceDecision): boolean => winner === "current" || winner === "previous";

export interface RoundResult {
  readonly fusedPath: string;
  /** SHA-256 of that file. Absent: not known. */
  readonly digest?: string;
  /** SHA-256 of the file of the mask beside it. Absent: there is none. */
  readonly mask?: string;
  readonly slice: number;
  /** Only slices where previous and current differ, and the clicked ones. */
  readonly slices: readonly SliceDecision[];
  readonly clickSeconds: number;
  readonly propagateSeconds: number;
  readonly fuseSeconds: number;
  /** Slices that the propagation network decoded. */
  readonly propagated: number;
}

export interface SegmentResult {
  readonly rounds: readonly RoundResult[];
  /** sha256 over the digests of the networks used. */
  readonly model: string;
  /** Features of slices that were cached, and that were not, since the job before. */
  readonly features?: { readonly hits: number; readonly misses: number };
}

/** A round whose mask can be answered with while its state is still being written. */
export interface MaskMade {
  readonly round: Omit<RoundResult, "fusedPath" | "digest">;
  /** As in SegmentResult. */
  readonly model: string;
}

/**
 * What differs on one slice between the mask before the round and the mask that propagation found. `box`: top, left, bottom, right,
 * the last two exclusive, in rows and columns of the slice; null where nothing differs. `bits`: base64 of the deflated (zlib)
 * difference inside the box, a bit a pixel, row by row without padding between rows, the highest bit first; 1 = the pixel changes.
 */
export interface SliceChange {
  readonly box: readonly [number, number, number, number] | null;
  readonly bits: string;
}

export interface Progress {
  /** "write": the round is computed, the output is not written yet. */
  readonly stage: "load" | "click" | "propagate" | "fuse" | "write";
  /** Round of this job, from 0. */
  readonly round: number;
  readonly slice?: number;
  readonly done?: number;
  readonly total?: number;
  /** With stage "propagate", where the job asked for it. Fusion may still keep the mask of before. */
  readonly change?: SliceChange;
  /** With stage "write", where the mask lies beside the output already (`masks`). */
  readonly made?: MaskMade;
}

/** Parent to child. */
export type EngineCommand =
  | { readonly type: "segment"; readonly id: number; readonly job: SegmentJob; readonly urgency: Urgency }
  | { readonly type: "cancel"; readonly id: number }
  | { readonly type: "close" };

/** Child to parent. */
export type EngineEvent =
  | { readonly type: "ready"; readonly models: string; readonly device: Place }
  /** For the log: what was chosen, or is missing. May come before ready. */
  | { readonly type: "note"; readonly text: string }
  /** Instead of ready: the process ends. */
  | { readonly type: "unusable"; readonly code: string; readonly message: string }
  | { readonly type: "progress"; readonly id: number; readonly progress: Progress }
  /** The job waits while a more pressing one works; it goes on. */
  | { readonly type: "paused"; readonly id: number }
  | { readonly type: "resumed"; readonly id: number }
  | { readonly type: "done"; readonly id: number; readonly result: SegmentResult }
  | { readonly type: "failed"; readonly id: number; readonly code: string; readonly message: string };

export interface SegmentOptions {
  readonly signal?: AbortSignal;
  /** Default "round". */
  readonly urgency?: Urgency;
  readonly onProgress?: (progress: Progress) => void;
}

/** The engine as the rest of the server sees it. Its process is started by `start` and ended by `close`. */
export interface Engine {
  start(): Promise<void>;
  /** Where its networks run; known once it has started. */
  readonly device?: Place;
  /** Runs a job. Rejects with an error of the catalogue: engine_cancelled, engine_died, engine_timeout, out_of_memory … */
  segment(job: SegmentJob, options?: SegmentOptions): Promise<SegmentResult>;
  close(): Promise<void>;
}
