import { expect, test } from "vitest";
import type { Geometry } from "../../imaging/geometry.js";
import { parseAxis, parseMaskRequest, parseSlice } from "./params.js";

const axial: Geometry = { affine: [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 3, 0] };
/** i runs from front to back, j from feet to head, k from left to right. */
const sagittal: Geometry = { affine: [0, 0, 4, 0, -1, 0, 0, 0, 0, 1, 0, 0] };
const error = (code: string) => expect.objectContaining({ code, status: 422 });
const thrown = (work: () => unknown) => {
  try {
    work();
  } catch (caught) {
    return caught;
  }
  return null;
};

test("what is not said has its default", () => {
  expect(parseMaskRequest({}, ".nrrd")).toEqual(
    { label: "object", extension: ".nrrd", dtype: "uint8", compress: false, writeFile: true, window: null });
  expect(parseMaskRequest({}, ".mha").extension).toBe(".nii.gz");
});

test("keys of other models, and nulls, do no harm", () => {
  expect(parseMaskRequest({ roi: [1, 2], label_prompt: [1], reset_state: true, device: "cpu", label: null, window: null }, ".nii").label).toBe("object");
});

test("label names are printable and no longer than 256 characters", () => {
  expect(parseMaskRequest({ label: "Läsion ≥ 3 mm 😀" }, ".nii").label).toBe("Läsion ≥ 3 mm 😀");
  expect(parseMaskRequest({ label: "x".repeat(256) }, ".nii").label).toHaveLength(256);
  for (const label of ["x".repeat(1e5), "a\nb", "a\0", 7, ["a"], {}]) {
    const caught = thrown(() => parseMaskRequest({ label }, ".nii")) as Error;
    expect(caught).toEqual(error("bad_label_name"));
    expect(caught.message.length).toBeLessThan(200);
  }
});

test("types of numbers that masks are not kept in become uint8, nonsense is refused", () => {
  for (const name of ["float32", "int64", "uint32", "bool"]) expect(parseMaskRequest({ result_dtype: name }, ".nii").dtype).toBe("uint8");
  expect(parseMaskRequest({ result_dtype: "uint16" }, ".nii").dtype).toBe("uint16");
  for (const name of ["cow", 8, {}]) expect(thrown(() => parseMaskRequest({ result_dtype: name }, ".nii"))).toEqual(error("bad_params"));
});

test("containers are taken with or without the dot, others refused", () => {
  expect(parseMaskRequest({ result_extension: "NII.GZ" }, ".nrrd").extension).toBe(".nii.gz");
  for (const name of [".png", "/../../x", 5]) expect(thrown(() => parseMaskRequest({ result_extension: name }, ".nii"))).toEqual(error("unsupported_output"));
});

test("the window is two ascending numbers", () => {
  expect(parseMaskRequest({ window: [-160, 240] }, ".nii").window).toEqual([-160, 240]);
  expect(parseMaskRequest({ window: "auto" }, ".nii").window).toBeNull();
  for (const window of [[1], [2, 1], [1, 1], ["a", 2], "soft"]) expect(thrown(() => parseMaskRequest({ window }, ".nii"))).toEqual(error("bad_params"));
});

test("flags come as booleans, words or digits", () => {
  expect(parseMaskRequest({ result_compress: "True", result_write_to_file: 0 }, ".nii")).toMatchObject({ compress: true, writeFile: false });
  expect(thrown(() => parseMaskRequest({ result_compress: "maybe" }, ".nii"))).toEqual(error("bad_params"));
});

test("the axis is chosen from the spacing, or named by number or plane", () => {
  expect(parseAxis("auto", axial, [9, 9, 9])).toBe(2);
  expect(parseAxis(undefined, sagittal, [9, 9, 9])).toBe(2);
  expect(["axial", "coronal", "sagittal"].map((name) => parseAxis(name, axial, [9, 9, 9]))).toEqual([2, 1, 0]);
  expect(["axial", "coronal", "sagittal"].map((name) => parseAxis(name, sagittal, [9, 9, 9]))).toEqual([1, 0, 2]);
  expect([parseAxis(0, axial, [9, 9, 9]), parseAxis("1", axial, [9, 9, 9])]).toEqual([0, 1]);
  for (const axis of [3, "oblique", "toString", [0], -1, 0.5]) expect(thrown(() => parseAxis(axis, axial, [9, 9, 9]))).toEqual(error("bad_params"));
});

test("a slice is a whole number inside, a negative one means the client does not say", () => {
  expect([parseSlice(3, 9), parseSlice("3", 9), parseSlice(-1, 9), parseSlice(undefined, 9)]).toEqual([3, 3, null, null]);
  for (const slice of [9, 1.5, "x", []]) expect(thrown(() => parseSlice(slice, 9))).toEqual(error("bad_params"));
});
