/** Jobs between machines: a path becomes a place in the studies or in the state folder, which every machine may mount elsewhere. */
import { isAbsolute, join, relative, sep } from "node:path";
import { LimnetError } from "../errors.js";
import type { RoundResult, SegmentJob, SegmentResult } from "./protocol.js";

export interface Roots {
  /** Null where the studies are no folder. */
  readonly studies: string | null;
  readonly state: string;
}

/** "state:objects/ab12/x.gz" */
type Place = string;

export function packJob(job: SegmentJob, roots: Roots): unknown {
  const pack = (path: string) => packPath(path, roots);
  return {
    ...job, volumePath: pack(job.volumePath), outputs: job.outputs.map(pack),
    state: { ...job.state, fusedPath: job.state.fusedPath === null ? null : pack(job.state.fusedPath) },
    truthPath: job.truthPath === undefined ? undefined : pack(job.truthPath),
  };
}

/** Throws bad_request for a path that leads out of both folders. */
export function unpackJob(data: unknown, roots: Roots): SegmentJob {
  const job = data as SegmentJob;
  const unpack = (place: Place) => unpackPath(place, roots);
  return {
    ...job, volumePath: unpack(job.volumePath), outputs: job.outputs.map(unpack),
    state: { ...job.state, fusedPath: job.state.fusedPath === null ? null : unpack(job.state.fusedPath) },
    truthPath: job.truthPath === undefined ? undefined : unpack(job.truthPath),
  };
}

/** The result of a job: its files are where this machine has them. */
export function unpackResult(data: unknown, job: SegmentJob): SegmentResult {
  const { rounds, ...rest } = data as SegmentResult;
  return { ...rest, rounds: rounds.map((round: RoundResult, n) => ({ ...round, fusedPath: job.outputs[n] })) };
}

function inside(root: string, path: string): string | null {
  const name = relative(root, path);
  return name === "" || isAbsolute(name) || name.split(sep)[0] === ".." ? null : name.split(sep).join("/");
}

function packPath(path: string, { studies, state }: Roots): Place {
  const inState = inside(state, path);
  if (inState !== null) return `state:${inState}`;
  const inStudies = studies === null ? null : inside(studies, path);
  if (inStudies !== null) return `studies:${inStudies}`;
  throw new LimnetError("engine_failed", "The image lies neither in the studies nor in the state folder, so no worker could read it.");
}

function unpackPath(place: Place, { studies, state }: Roots): string {
  const [, root, name] = /^(state|studies):(.+)$/s.exec(place) ?? [];
  const folder = root === "state" ? state : studies;
  if (!folder || name === undefined || name.includes("\0")) throw outside();
  const path = join(folder, name);
  if (inside(folder, path) === null) throw outside();
  return path;
}

const outside = () => new LimnetError("bad_request", "The job names a file that lies neither in the studies nor in the state folder of this worker.");
