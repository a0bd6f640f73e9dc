/** How labels of this server become DICOM: coded as the app says, written as the settings say. */
import type { App } from "../apps/app.js";
import type { LabelSettings } from "../dicom/labels.js";
import type { Config } from "./config.js";

export function labelSettings(app: App, { dicomSeg }: Pick<Config, "dicomSeg">): LabelSettings {
  return {
    codes: app.codes ?? {}, version: app.version, modelDigest: app.modelDigest, kind: dicomSeg,
    clicked: [...app.models].filter(([, { type }]) => type === "deepgrow" || type === "deepedit").map(([name]) => name),
  };
}
