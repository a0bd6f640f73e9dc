import { expect, test } from "vitest";
import { pairSegments, segmentNames } from "./segments.js";

const named = (values: Record<string, number>) => new Map(Object.entries(values).map(([name, value]) => [value, name]));

test("names come from what Slicer sends with a label, and from what a model says of its mask", () => {
  expect(segmentNames({ label_info: [{ name: "liver", idx: 1 }, { name: "spleen", idx: 2 }] }, [1, 2])).toEqual(named({ liver: 1, spleen: 2 }));
  expect(segmentNames({ params: { label_names: { liver: 6, spleen: 7 } } }, [6])).toEqual(named({ liver: 6, spleen: 7 }));
  expect(segmentNames({ params: { label_names: ["tumour"] } }, [1])).toEqual(named({ tumour: 1 }));
  expect(segmentNames({}, [1])).toEqual(new Map());
});

test("indices that do not fit the voxels are read as an order: Slicer counts segments that it did not export", () => {
  const info = { label_info: [{ name: "liver", idx: 2 }, { name: "spleen", idx: 3 }] };
  expect(segmentNames(info, [1, 2])).toEqual(named({ liver: 1, spleen: 2 }));
  expect(segmentNames(info, [1, 2, 3])).toEqual(new Map());
});

test("segments are paired by name, else by value; one against one is one object", () => {
  expect(pairSegments(named({ liver: 1, spleen: 2 }), [1, 2], named({ spleen: 1, kidney: 2 }), [1, 2])).toEqual([
    { name: "kidney", a: null, b: 2 }, { name: "liver", a: 1, b: null }, { name: "spleen", a: 2, b: 1 },
  ]);
  expect(pairSegments(named({ liver: 1 }), [1, 2], named({ spleen: 1 }), [1])).toEqual([{ name: "1", a: 1, b: 1 }, { name: "2", a: 2, b: null }]);
  expect(pairSegments(named({ tumour: 1 }), [1], named({}), [5])).toEqual([{ name: "tumour", a: 1, b: 5 }]);
  expect(pairSegments(new Map(), [1], new Map(), [])).toEqual([{ name: "object", a: 1, b: null }]);
  expect(pairSegments(new Map(), [], new Map(), [])).toEqual([]);
});
