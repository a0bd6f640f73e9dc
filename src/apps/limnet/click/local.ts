/**
 * Late clicks mend one place: whoever has clicked several times on a slice is content with the rest of it. The network looks at
 * all clicks anew each time and moves the border elsewhere too, so that many clicks wear a slice down again; from some click on
 * only the changed part that holds the click is taken (docs/training.md).
 * training/limnet_training/infer.py (`local_change`) is the same arithmetic.
 */
import type { SliceClick } from "../../../engine/protocol.js";
import type { Plane } from "../view.js";

/**
 * `after` where the mask (0.5) is as `before` or changed in one piece (eight neighbours) with the clicked pixel; `before` elsewhere.
 * All of `after` where the clicked pixel had the click's side already: such a click asks for more than its own place.
 * Probabilities 0..1; `after` is changed in place; the click is in slice pixels.
 */
export function keepLocal(before: Plane<ArrayLike<number>>, after: Plane<Float32Array>, click: SliceClick): void {
  const { data, rows, cols } = after;
  const r = Math.min(rows - 1, Math.max(0, Math.round(click.row)));
  const c = Math.min(cols - 1, Math.max(0, Math.round(click.col)));
  const at = r * cols + c;
  if (before.data[at] >= 0.5 === click.positive) return;
  const away = Uint8Array.from(data, (p, i) => Number(p >= 0.5 !== before.data[i] >= 0.5));
  const found = [at];
  away[at] = 0;
  for (let next = found.pop(); next !== undefined; next = found.pop()) {
    const [y, x] = [Math.floor(next / cols), next % cols];
    for (let dy = y === 0 ? 0 : -1; dy <= (y === rows - 1 ? 0 : 1); dy++) {
      for (let dx = x === 0 ? 0 : -1; dx <= (x === cols - 1 ? 0 : 1); dx++) {
        const i = next + dy * cols + dx;
        if (away[i] === 0) continue;
        away[i] = 0;
        found.push(i);
      }
    }
  }
  for (let i = 0; i < data.length; i++) if (away[i] === 1) data[i] = before.data[i];
}
