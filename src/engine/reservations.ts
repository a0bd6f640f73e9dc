/** The memory of the engine's process, shared between the volumes that are kept and the jobs that are there. */
import { LimnetError } from "../errors.js";
import { greyBytesOf, type Header, workBytesOf } from "./budget.js";

export interface Reservation {
  /** Makes room for a job on such a volume (of which `checkFits` says that it fits at all). */
  reserve(header: Header): void;
  release(): void;
}

interface Holder {
  /** What the job works with, and the grey values that it looks at. */
  work: number;
  grey: number;
  readonly giveUp: (why: LimnetError) => void;
}

export class Reservations {
  readonly #total: number;
  readonly #holders = new Set<Holder>();
  /** Told how much the kept volumes may take from now on. */
  readonly #onRoom: (bytes: number) => void;

  constructor(total: number, onRoom: (bytes: number) => void) {
    this.#total = total;
    this.#onRoom = onRoom;
  }

  /** `giveUp` ends this job, which waits, for a more pressing one that does not fit beside it; it is run again later. */
  open(giveUp: (why: LimnetError) => void): Reservation {
    const mine: Holder = { work: 0, grey: 0, giveUp };
    return {
      reserve: (header) => {
        mine.work = workBytesOf(header);
        mine.grey = greyBytesOf(header);
        this.#holders.add(mine);
        for (const other of [...this.#holders].filter((one) => one !== mine)) {
          if (this.#sum(({ work, grey }) => work + grey) <= this.#total) break;
          this.#holders.delete(other);
          other.giveUp(new LimnetError("preempted", "The job gave way to a more pressing one and is run again."));
        }
        this.#tell();
      },
      release: () => {
        this.#holders.delete(mine);
        this.#tell();
      },
    };
  }

  #tell(): void {
    this.#onRoom(this.#total - this.#sum(({ work }) => work));
  }

  #sum(bytes: (holder: Holder) => number): number {
    return [...this.#holders].reduce((sum, holder) => sum + bytes(holder), 0);
  }
}
