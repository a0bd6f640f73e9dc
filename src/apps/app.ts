/** What an app is: the interface that the server's routes speak to. */
import type { Datastore, Info, PartialImage } from "../datastore/datastore.js";
import type { TaskDesk } from "./background.js";
import type { ReadLimits } from "../imaging/volume.js";
import type { CodeTable } from "../dicom/seg/codes.js";
import type { JobQueue, Urgency } from "../jobs/jobs.js";
import type { ResultFile } from "./result-file.js";

/** What an app takes at most; what is not given has the default of the app. */
export interface AppLimits extends ReadLimits {
  /** Clicks of one object. */
  readonly maxClicks?: number;
  /** Characters of the name of an object. */
  readonly maxLabelLength?: number;
}

/** `params` of the request after JSON parsing: free-form, as MONAI Label clients send it. */
export type Params = Record<string, unknown>;

export interface ImageSource {
  readonly id: string;
  /** Absolute path of a file that the server owns or that lies in the datastore. */
  readonly path: string;
  readonly ext: string;
  /** Hex sha256 of the file. */
  readonly digest: string;
  /** The file holds slice k alone of an image of this grid: the others are still on their way. */
  readonly slice?: PartialImage["slice"];
}

export interface InferRequest {
  readonly image: ImageSource;
  readonly params: Params;
  /** Who asks: the authenticated user, else `client_id`, else "". Work of two users never mixes. */
  readonly user: string;
  /** The mask that the first click refines, 0 and 1 on the grid of the image, i fastest; absent: the empty mask. */
  readonly start?: Uint8Array;
  /** The masks that the model asked for (InferTask.drawn), as `start`; absent: empty. */
  readonly drawn?: Partial<Record<DrawnName, Uint8Array>>;
}

/** Parts of the label volume that a client with a brush sends: the object as it is on the screen, what covers it there, and strokes. */
export type DrawnName = "object" | "covered" | "foreground" | "background";

export interface InferOptions {
  readonly signal: AbortSignal;
  /** Folder for the result file; made when it is needed. */
  readonly tempDir: string;
  /** Default: as pressing as the model is; "batch" for work that nobody sits in front of. */
  readonly urgency?: Urgency;
  /** For logs. */
  readonly requestId?: string;
}

export interface InferResult {
  /** Result file in the wanted container; null for JSON only. */
  readonly file: ResultFile | null;
  readonly json: Record<string, unknown>;
}

export interface InferTask {
  readonly type: "segmentation" | "deepgrow" | "deepedit" | "scribbles" | "others";
  readonly labels: readonly string[] | Readonly<Record<string, number>>;
  readonly dimension: 2 | 3;
  readonly description: string;
  config(): Record<string, unknown>;
  /** The slice along k that a request needs and no other, where that is so: it may be served before the rest of the image is here. */
  onlySlice?: (params: Params) => number | null;
  /** The files that make the model, for GET /model/{model}; absent where it has none. `name` is plain, with "/" between folders. */
  files?: () => readonly { readonly name: string; readonly path: string }[];
  /** Models that are worked with a brush: which segments of form part `label` they look at (name, or voxel value). Throws bad_params. */
  drawn?: (params: Params) => Partial<Record<DrawnName, { readonly label?: unknown; readonly segment?: unknown; readonly covered?: boolean }>>;
  /** Throws LimnetError (src/errors.ts) for anything that the caller did wrong. */
  run(request: InferRequest, options: InferOptions): Promise<InferResult>;
  /** Only of models that need clicks, for batch inference: what they do with the clicks that are stored. */
  readonly stored?: StoredWork;
}

/** Work of earlier requests that a model can do again, with the networks of today. */
export interface StoredWork {
  /** Ids of images for which something is stored. */
  images(): Promise<ReadonlySet<string>>;
  /** One mask of all stored objects of an image, `label_names` in the JSON; null where no clicks are stored for what the image is now. */
  again(image: ImageSource, params: Params, options: InferOptions): Promise<InferResult | null>;
}

/** The images of a datastore that a client may be given now: not labelled yet, and nobody else was given them (pool.ts). */
export type Pool = Pick<Datastore, "select" | "listUnlabeled" | "image" | "imageDigest">;

export interface Strategy {
  readonly description: string;
  /** Null where nothing is left to label. Keys beside `id` travel to the client. `options`: the body of the request. */
  next(pool: Pool, options: Params): Promise<({ id: string } & Info) | null>;
}

/** Compares what is stored in the datastore, and writes what comes out into its infos. */
export interface ScoringMethod {
  readonly description: string;
  /** The result as JSON, such as {image id: number}. Throws LimnetError for a request that it cannot follow. */
  run(request: Params, datastore: Datastore, desk: TaskDesk): Promise<unknown>;
}

export interface App {
  readonly name: string;
  readonly description: string;
  readonly version: string;
  readonly labels: readonly string[];
  /** What labels mean, for DICOM; a name that is not in it is written as itself. */
  readonly codes?: CodeTable;
  /** Digest of the networks, where it is known beforehand. */
  readonly modelDigest?: string;
  readonly models: ReadonlyMap<string, InferTask>;
  readonly strategies: ReadonlyMap<string, Strategy>;
  /** Where the app keeps the history of what is clicked. */
  readonly objects?: Objects;
  /** How busy it is, and whether a job would be run now; absent where requests do not queue. */
  readonly queue?: Pick<JobQueue<never, unknown>, "waiting" | "running" | "check">;
  readonly scoring?: ReadonlyMap<string, ScoringMethod>;
  start(): Promise<void>;
  close(): Promise<void>;
}

/** The work of one user on one object of an image. */
export interface ObjectRef {
  readonly image: ImageSource;
  readonly user: string;
  readonly label: string;
}

export interface ObjectOptions {
  readonly signal: AbortSignal;
  readonly tempDir: string;
  /** How the mask is written, as in a request to the model: result_extension, result_dtype, result_compress. */
  readonly params: Params;
}

export interface Submission {
  readonly image: ImageSource;
  /** User or client_id of who saves; "" where nobody says. */
  readonly user: string;
  readonly tag: string;
  /** The label is made of the work of all users. */
  readonly everyone?: boolean;
  /** Whether the work is done with this, so that it may be cleaned before others. */
  readonly approved: boolean;
}

/** One event of GET /limnet/v1/events. */
export interface ObjectEvent {
  readonly event: "state" | "queued" | "slice" | "round" | "error";
  readonly data: Readonly<Record<string, unknown>>;
}

/** History of the objects that the models work on. All throw LimnetError for what the caller did wrong. */
export interface Objects {
  rounds(ref: ObjectRef): Promise<Record<string, unknown>>;
  journal(ref: ObjectRef): Promise<Record<string, unknown>>;
  /** Steps back (negative) or forth; answers the mask in force then, also where there are fewer steps. */
  move(ref: ObjectRef, steps: number, options: ObjectOptions): Promise<InferResult>;
  /** Slice numbers count across the axis of the object. */
  lock(ref: ObjectRef, slices: readonly number[] | "all", locked: boolean, options: ObjectOptions): Promise<InferResult>;
  choose(ref: ObjectRef, choice: { readonly slice: number; readonly round: number }, options: ObjectOptions): Promise<InferResult>;
  /** The first event says what is in force. Returns what ends it. */
  watch(ref: ObjectRef, listener: (event: ObjectEvent) => void): Promise<() => void>;
  cancel(ref: ObjectRef): Promise<Record<string, unknown>>;
  /** A label of the image is saved. `keep` is given how it came about (JSON), null where nothing was clicked here. */
  submit(submission: Submission, keep: (document: unknown) => Promise<void>): Promise<void>;
}
