/** Plain 3 x 3 arithmetic for voxel grids. Knows no frames: geometry.ts says what the numbers mean. */

export type Vec3 = readonly [number, number, number];

/** Row-major 3 x 3. */
export type Mat3 = readonly [number, number, number, number, number, number, number, number, number];

export function norm(v: Vec3): number {
  return Math.hypot(v[0], v[1], v[2]);
}

export function cross(u: Vec3, v: Vec3): Vec3 {
  return [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
}

export function determinant(m: Mat3): number {
  return m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) + m[2] * (m[3] * m[7] - m[4] * m[6]);
}

/** The matrix must not be singular; the caller has checked. */
export function inverse(m: Mat3): Mat3 {
  const d = determinant(m);
  return [
    (m[4] * m[8] - m[5] * m[7]) / d, (m[2] * m[7] - m[1] * m[8]) / d, (m[1] * m[5] - m[2] * m[4]) / d,
    (m[5] * m[6] - m[3] * m[8]) / d, (m[0] * m[8] - m[2] * m[6]) / d, (m[2] * m[3] - m[0] * m[5]) / d,
    (m[3] * m[7] - m[4] * m[6]) / d, (m[1] * m[6] - m[0] * m[7]) / d, (m[0] * m[4] - m[1] * m[3]) / d,
  ];
}

/** The three columns, each scaled to length 1. */
export function unitColumns(m: Mat3): Mat3 {
  const [a, b, c] = [0, 1, 2].map((j) => norm([m[j], m[3 + j], m[6 + j]]));
  return [m[0] / a, m[1] / b, m[2] / c, m[3] / a, m[4] / b, m[5] / c, m[6] / a, m[7] / b, m[8] / c];
}

/**
 * The orthogonal matrix (rotation, or rotation with mirror) nearest to `m`: what nibabel takes from an SVD, here by
 * Higham's Newton iteration for the polar decomposition (SIAM J. Sci. Stat. Comput. 7, 1986), which converges
 * quadratically for every non-singular matrix.
 */
export function nearestOrthogonal(m: Mat3): Mat3 {
  let q = m;
  for (let step = 0; step < 100; step++) {
    const v = inverse(q);
    const next: Mat3 = [
      (q[0] + v[0]) / 2, (q[1] + v[3]) / 2, (q[2] + v[6]) / 2,
      (q[3] + v[1]) / 2, (q[4] + v[4]) / 2, (q[5] + v[7]) / 2,
      (q[6] + v[2]) / 2, (q[7] + v[5]) / 2, (q[8] + v[8]) / 2,
    ];
    const moved = next.reduce((most, value, at) => Math.max(most, Math.abs(value - q[at])), 0);
    q = next;
    if (moved < 1e-15) break;
  }
  return q;
}
