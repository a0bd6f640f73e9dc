/** A label on its way into the archive, and when it is tried next. */

/** What `GET /limnet/v1/outbox` shows of an object. */
export interface OutboxEntry {
  readonly id: string;
  /** Image (series) that the label belongs to, and the study of both. */
  readonly image: string;
  readonly study: string;
  /** Series and instance of the label. */
  readonly series: string;
  readonly instance: string;
  /** ISO 8601. */
  readonly created: string;
  readonly attempts: number;
  readonly lastAttempt: string | null;
  /** "refused": the archive said no for a reason that time alone does not mend; it is tried again all the same, but rarely. */
  readonly state: "waiting" | "refused";
  /** Why it is still here, in a sentence; "" before the first attempt. */
  readonly reason: string;
}

/** Milliseconds before the second attempt (doubled with each), and the longest pause. */
export interface Pauses {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** When the next attempt is due, in milliseconds since 1970. */
export function dueAt({ attempts, created, lastAttempt, state }: OutboxEntry, { firstMs, longestMs }: Pauses): number {
  // A time to come is one of a clock that was set back: how long ago it was is not known.
  const since = (time: string) => (Date.parse(time) > Date.now() + 1000 ? 0 : Date.parse(time));
  if (lastAttempt === null) return since(created) + firstMs;
  const pause = state === "refused" ? longestMs : Math.min(longestMs, firstMs * 2 ** (attempts - 1));
  return since(lastAttempt) + pause;
}
