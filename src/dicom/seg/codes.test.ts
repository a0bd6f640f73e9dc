import { describe, expect, it } from "vitest";
import { codeTableSchema, codingOf } from "./codes.js";

const table = codeTableSchema.parse({
  liver: { type: "10200004 Liver", color: [221, 130, 101] },
  kidney: { type: "64033007 Kidney", paired: true },
  tumour: { type: "108369006 Neoplasm", category: "49755003 Morphologically Altered Structure", aka: ["tumor"] },
  "kidney cyst": { type: "367643001 Cyst", category: "49755003 Morphologically Altered Structure", region: "64033007 Kidney" },
});

describe("codes of a label's name", () => {
  it("come from the app's list, whatever the case", () => {
    expect(codingOf("Liver", table)).toMatchObject({
      category: { value: "123037004", scheme: "SCT" }, type: { value: "10200004", scheme: "SCT", meaning: "Liver" }, color: [221, 130, 101],
    });
    expect(codingOf("TUMOR", table).type.value).toBe("108369006");
  });

  it("carry the side of paired organs, wherever the word stands", () => {
    for (const name of ["left kidney", "Kidney, left", "kidney_left", "LEFT KIDNEY"]) {
      expect(codingOf(name, table), name).toMatchObject({ type: { value: "64033007" }, modifier: { value: "7771000", meaning: "Left" } });
    }
    expect(codingOf("kidney right", table).modifier?.value).toBe("24028007");
    expect(codingOf("kidney", table).modifier).toBeUndefined();
  });

  it("say where a finding lies when the list does", () => {
    expect(codingOf("kidney cyst", table)).toMatchObject({ type: { value: "367643001" }, region: { value: "64033007", meaning: "Kidney" } });
  });

  it("never make an unknown name another organ", () => {
    for (const name of ["liver tumour", "left liver", "kidneys", "spleen", "лёгкое", "left", "right right kidney"]) {
      const { category, type, modifier } = codingOf(name, table);
      expect(type, name).toMatchObject({ scheme: "99LIMNET", meaning: name });
      expect(type.value.length, name).toBeLessThanOrEqual(16);
      expect(category.value, name).toBe("85756007");
      expect(modifier, name).toBeUndefined();
    }
  });

  it("refuse a list that is not written as codes", () => {
    expect(codeTableSchema.safeParse({ liver: { type: "Liver" } }).success).toBe(false);
    expect(codeTableSchema.safeParse({ liver: { typ: "10200004 Liver" } }).success).toBe(false);
    expect(codeTableSchema.parse({ x: { type: "DCM:121070 Findings" } }).x.type).toEqual({ scheme: "DCM", value: "121070", meaning: "Findings" });
  });
});
