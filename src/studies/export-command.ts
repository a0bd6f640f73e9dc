/** `limnet export FOLDER`: the labels of a store, of a folder or an archive, as DICOM SEG, RTSTRUCT, .seg.nrrd, NRRD or NIfTI. */
import { type Command, Option } from "commander";
import { loadApp } from "../apps/load.js";
import { type Log, silentLog } from "../datastore/log.js";
import { DecoderPool } from "../dicom/codecs/pool.js";
import { type ExportFormat, exportFormats } from "../dicom/export.js";
import { LabelThread } from "../dicom/label-thread.js";
import { loadConfig } from "../server/config.js";
import { labelSettings } from "../server/label-settings.js";
import { openStudies } from "../server/studies.js";
import { exportLabels } from "./export.js";

interface Flags {
  readonly app: string;
  readonly studies: string;
  readonly state?: string;
  readonly format: ExportFormat;
  readonly tag: readonly string[];
  readonly image: readonly string[];
  readonly force?: boolean;
}

/** Adds the command to the program. */
export function exportCommand(program: Command): void {
  program.command("export")
    .description("write the labels of a store as files for other programs")
    .argument("<folder>", "where the files go: <image>.<tag> and the extension of the format")
    .requiredOption("-a, --app <folder>", "folder of the app, which says what labels mean")
    .requiredOption("-s, --studies <folder>", "folder of the scans, or address of a DICOMweb archive, as for start_server")
    .option("--state <folder>", "that of the server, where it has one of its own")
    .addOption(new Option("-f, --format <format>", "dicom_seg, dicom_labelmap and rtstruct need images that are DICOM").choices(Object.keys(exportFormats)).default("seg.nrrd"))
    .addOption(new Option("-t, --tag <tag...>", "only labels under these tags").default([], "all"))
    .addOption(new Option("-i, --image <id...>", "only labels of these images").default([], "all"))
    .option("--force", "write over files that are there already")
    .action((folder: string, flags: Flags) => run(folder, flags));
}

async function run(folder: string, { app: appDir, studies, state, format, tag: tags, image: images, force = false }: Flags): Promise<void> {
  const config = loadConfig({ app: appDir, studies, ...(state !== undefined && { state }) });
  const [decoder, labels] = [new DecoderPool(), new LabelThread()];
  const { datastore } = await openStudies(config, toConsole, { decoder, labels, readOnly: true });
  let [written, failed] = [0, 0];
  try {
    const app = await loadApp({ appDir, conf: { ...config.conf }, datastore, stateDir: config.state, logger: silentLog });
    labels.settings = labelSettings(app, config);
    await datastore.start();
    for await (const { image, tag, file, reason } of exportLabels({ datastore, labels, format, folder, tags, images, force })) {
      if (file !== null) console.log(file);
      else console.error(`Not exported: ${image}${tag === "" ? "" : `, ${tag}`}: ${reason}`);
      if (file !== null) written++;
      else failed++;
    }
  } finally {
    await datastore.close();
    await labels.close();
    await decoder.close();
  }
  console.log(written + failed === 0 ? "There is no such label." : `${written} label(s) written.`);
  if (failed > 0 || written === 0) process.exitCode = 1;
}

/** What a person at the keyboard should know; no running commentary. */
const toConsole: Log = { ...silentLog, warn: (sentence) => console.error(sentence), error: (sentence) => console.error(sentence) };
