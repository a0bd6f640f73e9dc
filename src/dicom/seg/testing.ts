/** A series that exists nowhere, for tests and bench: every geometry, without pixels. */
import { geometryFrom, lpsFrame, type Shape } from "../../imaging/geometry.js";
import type { Vec3 } from "../../imaging/affine.js";
import type { LabelSource } from "./modules.js";

export interface FakeSeries {
  readonly shape: Shape;
  /** LPS millimetres; default axial slices of 0.8 mm pixels, 2.5 mm apart. */
  readonly origin?: Vec3;
  readonly steps?: readonly [Vec3, Vec3, Vec3];
  /** All slices are frames of one instance. */
  readonly multiFrame?: boolean;
  readonly attributes?: Readonly<Record<string, string>>;
}

export function fakeSeries({ shape, origin = [-100, -90, 40], steps = [[0.8, 0, 0], [0, 0.8, 0], [0, 0, 2.5]], multiFrame = false, attributes = {} }: FakeSeries): LabelSource {
  const geometry = geometryFrom({ space: "LPS", origin, steps });
  const { origin: o, steps: [, , w] } = lpsFrame(geometry);
  return {
    shape,
    geometry,
    info: {
      seriesInstanceUid: "1.2.3.4.1", studyInstanceUid: "1.2.3.4", frameOfReferenceUid: "1.2.3.4.9", modality: "CT", placed: true, even: true,
      deviationMm: 0, gaps: [], tiltDegrees: 0, units: "HU", inverted: false, notes: [],
    },
    slices: Array.from({ length: shape[2] }, (_, k) => ({
      sopClassUid: multiFrame ? "1.2.840.10008.5.1.4.1.1.2.1" : "1.2.840.10008.5.1.4.1.1.2",
      sopInstanceUid: multiFrame ? "1.2.3.4.1.1" : `1.2.3.4.1.${k + 1}`,
      frame: multiFrame ? k + 1 : 1, multiFrame, instanceNumber: multiFrame ? 1 : k + 1,
      position: { left: o[0] + k * w[0], posterior: o[1] + k * w[1], superior: o[2] + k * w[2] },
    })),
    attributes: {
      PatientName: "Muster^Änne", PatientID: "P1", PatientBirthDate: "19700102", PatientSex: "F", StudyDate: "20260102", StudyTime: "101112",
      StudyID: "1", AccessionNumber: "A1", ReferringPhysicianName: "", SliceThickness: "2.5", ...attributes,
    },
  };
}
