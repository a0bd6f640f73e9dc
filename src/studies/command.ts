/** `limnet studies add DIR --to URL`: a folder of DICOM into an archive. */
import { existsSync } from "node:fs";
import type { Command } from "commander";
import { archiveClient } from "../server/studies.js";
import { isArchive } from "../server/archive-settings.js";
import { loadConfig } from "../server/config.js";
import { findStudies, type Found, type Sent, sendStudies } from "./send.js";

/** Adds the command to the program. */
export function studiesCommand(program: Command): void {
  program.command("studies").description("studies of a DICOM archive")
    .command("add")
    .description("send a folder of DICOM files to an archive")
    .argument("<folder>", "looked through with all below it; files are known as DICOM by their content")
    .requiredOption("--to <address>", "DICOMweb address of the archive, such as http://127.0.0.1:8042/dicom-web")
    .addHelpText("after", `
User and password, or a token, come from the environment: LIMNET_DICOMWEB_USERNAME, LIMNET_DICOMWEB_PASSWORD or
LIMNET_DICOMWEB_PASSWORD_FILE, LIMNET_DICOMWEB_TOKEN or LIMNET_DICOMWEB_TOKEN_FILE.`)
    .action(add);
}

async function add(folder: string, { to }: { to: string }): Promise<void> {
  if (!existsSync(folder)) throw new Error(`There is no folder ${folder}.`);
  if (!isArchive(to)) throw new Error("--to is the address of an archive, such as http://127.0.0.1:8042/dicom-web. To serve a folder of volumes, name it with `limnet start_server --studies FOLDER`.");
  const config = loadConfig({ app: ".", studies: to });
  const found = await findStudies(folder);
  sayRest(found);
  if (found.dicom.length === 0) throw new Error(`There is no DICOM file in ${folder}.`);
  const client = await archiveClient(config, process.env);
  const bar = new Bar(found);
  try {
    const sent = await sendStudies(client, found.dicom, (now) => bar.show(now));
    bar.end();
    console.log(`${sent.stored} of ${found.dicom.length} DICOM files are in the archive.`);
    for (const [reason, paths] of sent.failed) console.error(`${paths.length} not: ${reason}\n${paths.slice(0, 5).map((path) => `  ${path}`).join("\n")}${paths.length > 5 ? "\n  ..." : ""}`);
    if (sent.stored < found.dicom.length) process.exitCode = 1;
  } finally {
    bar.end();
    client.http.close();
  }
}

function sayRest({ volumes, others }: Found): void {
  if (volumes.length > 0) {
    console.log(`${volumes.length} volume(s) in NIfTI, NRRD or MetaImage stay here: an archive takes DICOM only. Serve them with \`limnet start_server --studies FOLDER\`.`);
  }
  if (others > 0) console.log(`${others} other file(s) are no DICOM and are left out.`);
}

/** One line that grows on a terminal; a line every tenth where the output goes elsewhere. */
class Bar {
  readonly #files: number;
  readonly #bytes: number;
  readonly #began = performance.now();
  readonly #terminal = process.stderr.isTTY;
  #tenth = 0;
  #open = false;

  constructor({ dicom }: Found) {
    this.#files = dicom.length;
    this.#bytes = dicom.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  show({ stored, bytes, failed }: Sent): void {
    const part = this.#bytes === 0 ? 1 : bytes / this.#bytes;
    const rate = bytes / 2 ** 20 / Math.max(0.001, (performance.now() - this.#began) / 1000);
    const refused = [...failed.values()].reduce((sum, paths) => sum + paths.length, 0);
    const text = `[${"#".repeat(Math.round(part * 30)).padEnd(30, ".")}] ${stored} of ${this.#files} files, ${rate.toFixed(0)} MiB/s${refused > 0 ? `, ${refused} failed` : ""}`;
    if (this.#terminal) {
      process.stderr.write(`\r${text}   `);
      this.#open = true;
    } else if (Math.floor(part * 10) > this.#tenth) {
      this.#tenth = Math.floor(part * 10);
      console.error(text);
    }
  }

  end(): void {
    if (this.#open) process.stderr.write("\n");
    this.#open = false;
  }
}
