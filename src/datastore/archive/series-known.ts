/** What the metadata of a series say: what there is, and what it is for. */
import { createHash } from "node:crypto";
import { instanceFromJson } from "../../dicom/instance.js";
import type { DicomJson } from "../../dicom/json.js";
import { planSeries, type PlanOptions } from "../../dicom/plan.js";
import type { PlannedVolume } from "../../dicom/types.js";
import { type Attributes, tags, textOf } from "../../dicomweb/json.js";

/** Digest of all that the metadata say; the order in which instances come and the addresses of bulk data do not count. */
export function contentOf(metadata: readonly Attributes[]): string {
  const lines = metadata.map((instance) => JSON.stringify(instance, (key, value) => (key === "BulkDataURI" ? undefined : value)));
  return createHash("sha256").update([...new Set(lines)].sort().join("\n")).digest("hex");
}

export class KnownSeries {
  readonly content: string;
  /** Every instance that the archive says there is. */
  readonly wanted: ReadonlySet<string>;
  readonly #metadata: readonly Attributes[];
  readonly #options: PlanOptions;
  #plan: PlannedVolume | null = null;

  constructor(metadata: readonly Attributes[], options: PlanOptions) {
    this.content = contentOf(metadata);
    this.wanted = new Set(metadata.map((instance) => textOf(instance, tags.SOPInstanceUID)).filter((uid) => uid !== ""));
    this.#metadata = metadata;
    this.#options = options;
  }

  /** The volume as it will be; made when it is first asked for. @throws LimnetError bad_volume where the metadata hold none */
  get plan(): PlannedVolume {
    return (this.#plan ??= planSeries(this.#metadata.map((instance) => instanceFromJson(instance as DicomJson)), this.#options).volumes[0]);
  }
}
