/** What is known of one object: the clicks of its last request and the states that are kept. Pure; journal.ts stores it. */
import type { SliceDecision } from "../../../engine/protocol.js";
import type { Click } from "./clicks.js";

/** The result of a round, kept on disk. */
export interface RoundRecord {
  /** Name of the state (roundKeys); its fused probabilities are `<key>.gz`. */
  readonly key: string;
  readonly slice: number;
  /** What fusion decided (protocol.ts). */
  readonly slices: readonly SliceDecision[];
  /** Click + propagation + fusion. */
  readonly seconds: number;
  /** Slices that the propagation network decoded. */
  readonly propagated: number;
  /** Hex sha256 of the fused file. */
  readonly digest: string;
}

/** One executed request: one line of the journal. */
export interface Entry {
  readonly version: 1;
  /** ISO 8601, UTC. */
  readonly time: string;
  /** All clicks of the object after this request, in order. */
  readonly clicks: readonly Click[];
  /** sha256 of the networks; null where none was run. */
  readonly model: string | null;
  /** Rounds that were run for this request. */
  readonly ran: readonly RoundRecord[];
}

export interface History {
  readonly clicks: readonly Click[];
  /** States by name, the oldest run first. All from `model`. */
  readonly records: ReadonlyMap<string, RoundRecord>;
  readonly model: string | null;
}

export const emptyHistory: History = { clicks: [], records: new Map(), model: null };

/** The history after one more request. States of other networks than those of the newest run are forgotten. */
export function extendHistory(history: History, entry: Entry): History {
  const fresh = entry.model !== null && history.model !== null && entry.model !== history.model;
  const records = new Map(fresh ? [] : history.records);
  for (const record of entry.ran) {
    records.delete(record.key);
    records.set(record.key, record);
  }
  return { clicks: entry.clicks, records, model: entry.model ?? history.model };
}

/** States beyond these are deleted; an undo that goes further is computed again. */
export const keptStates = 20;

/** Names of the states to keep: the newest runs, and the newest rounds of the present clicks (`keys`), which an undo goes back to. */
export function statesToKeep(history: History, keys: readonly string[]): Set<string> {
  const recent = [...history.records.keys()].slice(-keptStates);
  return new Set([...recent, ...keys.slice(-keptStates)]);
}
