/**
 * Whose turn it is: start-time fair queueing with jobs of one size. Every job is given a number; the lowest goes first. Who has nothing
 * waiting gets the number that is being served now, each further job of the same owner is one step later. Numbers only grow, so that
 * nobody waits for ever, however many newcomers there are.
 */
export class FairTurns {
  /** The number that comes after the newest job of an owner. */
  readonly #owners = new Map<string, { next: number; unfinished: number }>();
  #served = 0;

  /** The number of a new job of this owner. */
  take(owner: string): number {
    const known = this.#owners.get(owner);
    const turn = Math.max(this.#served, known?.next ?? 0);
    this.#owners.set(owner, { next: turn + 1, unfinished: (known?.unfinished ?? 0) + 1 });
    return turn;
  }

  /** A job begins. */
  serve(turn: number): void {
    this.#served = Math.max(this.#served, turn);
  }

  /** A job is done, or was dropped. */
  leave(owner: string): void {
    const known = this.#owners.get(owner);
    if (known === undefined) return;
    known.unfinished--;
    // Whose numbers lie ahead keeps them for as long as they do: leaving and coming back gains nothing.
    if (known.unfinished === 0 && known.next <= this.#served) this.#owners.delete(owner);
    else if (this.#owners.size > 10_000) this.#sweep();
  }

  #sweep(): void {
    for (const [owner, { next, unfinished }] of this.#owners) if (unfinished === 0 && next <= this.#served) this.#owners.delete(owner);
  }
}
