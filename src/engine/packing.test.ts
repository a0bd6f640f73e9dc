import { describe, expect, it } from "vitest";
import { packJob, unpackJob, unpackResult } from "./packing.js";
import type { SegmentJob } from "./protocol.js";

const here = { studies: "/data/scans", state: "/data/scans/.limnet" };
const there = { studies: "/mnt/nas/scans", state: "/mnt/fast/state" };
const job: SegmentJob = {
  volumePath: "/data/scans/a b/scan.nii.gz", volumeDigest: "d", axis: 2, state: { fusedPath: "/data/scans/.limnet/o/1.gz", rounds: [] },
  rounds: [], outputs: ["/data/scans/.limnet/o/2.gz"], settings: { fusion: "network", memory: "permanent", propagate: true, window: null },
};

describe("jobs between machines", () => {
  it("find their files where the other machine has mounted the folders", () => {
    const packed = packJob(job, here);
    expect(JSON.stringify(packed)).not.toContain("/data");
    const arrived = unpackJob(JSON.parse(JSON.stringify(packed)), there);
    expect(arrived).toMatchObject({
      volumePath: "/mnt/nas/scans/a b/scan.nii.gz", outputs: ["/mnt/fast/state/o/2.gz"], state: { fusedPath: "/mnt/fast/state/o/1.gz" },
    });
    expect(unpackResult({ model: "m", rounds: [{ fusedPath: "/mnt/fast/state/o/2.gz" }] }, job).rounds[0].fusedPath).toBe(job.outputs[0]);
  });

  it.each(["state:../x", "state:/../../etc/passwd", "studies:a/../../x", "/etc/passwd", "other:x", "state:", "state:a\0b"])("never leave the folders: %s", (place) => {
    const packed = { ...(packJob(job, here) as SegmentJob), volumePath: place };
    expect(() => unpackJob(packed, there)).toThrow(expect.objectContaining({ code: "bad_request" }));
  });

  it("are not made for files that lie elsewhere", () => {
    expect(() => packJob({ ...job, volumePath: "/tmp/x.nii" }, here)).toThrow(/neither in the studies nor/);
  });
});
