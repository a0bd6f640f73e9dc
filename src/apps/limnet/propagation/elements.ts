/**
 * What a memory holds per element, preallocated and contiguous: values [N, valueDim], shrinkage [N], usage counters [N].
 * Grows by copying, never per step.
 */
export class Elements {
  readonly #valueDim: number;
  values: Float32Array;
  shrinkage: Float32Array;
  /** Sum of the read weights that the element received. */
  usage: Float64Array;
  /** Reads that it took part in; 1e-7 for a new one, so that a division is always possible. */
  life: Float64Array;

  constructor(capacity: number, valueDim: number) {
    this.#valueDim = valueDim;
    this.values = new Float32Array(capacity * valueDim);
    this.shrinkage = new Float32Array(capacity);
    this.usage = new Float64Array(capacity);
    this.life = new Float64Array(capacity);
  }

  get capacity(): number {
    return this.shrinkage.length;
  }

  /** Writes elements from `at` on, as new ones. @param values [n, valueDim] @param shrinkage [n] */
  write(at: number, values: Float32Array, shrinkage: Float32Array): void {
    const end = at + shrinkage.length;
    this.#reserve(end);
    this.values.set(values, at * this.#valueDim);
    this.shrinkage.set(shrinkage, at);
    this.usage.fill(0, at, end);
    this.life.fill(1e-7, at, end);
  }

  /** Moves elements from..to (exclusive) to `target`; overlap is fine. */
  move(from: number, to: number, target: number): void {
    const d = this.#valueDim;
    this.values.copyWithin(target * d, from * d, to * d);
    for (const list of [this.shrinkage, this.usage, this.life]) list.copyWithin(target, from, to);
  }

  #reserve(elements: number): void {
    if (elements <= this.capacity) return;
    const bigger = new Elements(Math.ceil(elements * 1.25), this.#valueDim);
    bigger.values.set(this.values);
    bigger.shrinkage.set(this.shrinkage);
    bigger.usage.set(this.usage);
    bigger.life.set(this.life);
    this.values = bigger.values;
    this.shrinkage = bigger.shrinkage;
    this.usage = bigger.usage;
    this.life = bigger.life;
  }
}
