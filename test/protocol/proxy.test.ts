import { afterAll, beforeAll, describe, expect, it } from "vitest";
import supertest from "supertest";
import { parseResource } from "../../src/dicomweb/resources.js";
import { type Lab, openLab } from "./harness.js";

let lab: Lab;
beforeAll(async () => { lab = await openLab(); });
afterAll(() => lab.close());

describe("/proxy/dicom without an archive", () => {
  it("is not found, with a sentence that says why", async () => {
    const http = supertest(lab.server.http);
    for (const path of ["/proxy/dicom/wado/studies", "/proxy/dicom/qido/studies", "/proxy/dicom/stow/studies", "/proxy/dicom/studies"]) {
      for (const answer of [await http.get(path), await http.post(path).set("Content-Type", "multipart/related").send("x")]) {
        expect(answer.status).toBe(404);
        expect(answer.body.detail).toMatch(/folder, not a DICOM archive.*--studies http/);
      }
    }
    expect((await http.put("/proxy/dicom/studies")).status).toBe(405);
    expect((await http.get("/limnet/v1/outbox")).body).toEqual({ waiting: [] });
    expect((await http.post("/limnet/v1/outbox")).body).toEqual({ waiting: [] });
  });
});

describe("what the proxy passes on", () => {
  const path = (text: string, query = "") => {
    const { service, path: rebuilt, query: kept } = parseResource("GET", text, new URLSearchParams(query));
    return `${service} ${rebuilt}${kept.size > 0 ? `?${kept}` : ""}`;
  };

  it("is searches, retrievals, frames, rendered images and bulk data", () => {
    expect(path("studies", "PatientName=A*&limit=10&includefield=00080020")).toBe("qido studies?PatientName=A*&limit=10&includefield=00080020");
    expect(path("studies/1.2/series")).toBe("qido studies/1.2/series");
    expect(path("series", "00080060=CT&token=secret")).toBe("qido series?00080060=CT");
    expect(path("studies/1.2/series/3.4/metadata")).toBe("wado studies/1.2/series/3.4/metadata");
    expect(path("studies/1.2/series/3.4/instances/5.6/frames/1,2")).toBe("wado studies/1.2/series/3.4/instances/5.6/frames/1,2");
    expect(path("studies/1.2/series/3.4/instances/5.6/rendered", "quality=90&evil=1")).toBe("wado studies/1.2/series/3.4/instances/5.6/rendered?quality=90");
    expect(path("studies/1.2/series/3.4/instances/5.6/bulk/7fe00010")).toBe("wado studies/1.2/series/3.4/instances/5.6/bulk/7fe00010");
  });

  it("is nothing else of the archive", () => {
    for (const text of [
      "", "/", "system", "../system", "studies/../../system", "studies/1.2/../..", "studies/%2e%2e/system", "studies/1.2%2f..", "studies//series", "studies/abc",
      "studies/1.2/series/3.4/instances/5.6/frames/../../../x", "studies/1.2/series/3.4/instances/5.6/frames/0x1", "studies/1.2/delete", "studies/1.2/series/3.4/bulk/../../x",
      "instances/1.2/file", "patients", "studies/1.2\\..\\x", `studies/${"1".repeat(300)}`,
    ]) expect(() => path(text), text).toThrow(/no DICOMweb resource/);
    for (const text of ["studies/1.2/series", "series", "studies/x", "studies/1.2/3.4"]) {
      expect(() => parseResource("POST", text, new URLSearchParams()), text).toThrow(/no DICOMweb resource/);
    }
    expect(parseResource("POST", "studies", new URLSearchParams("a=b"))).toMatchObject({ service: "stow", path: "studies" });
  });
});
