/** What people who come from MONAI Label have in their scripts: options of its command line and settings that mean nothing here, and `.env`. */
import { readFileSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { parseEnv } from "node:util";
import { type Config, ConfigError, knownNames } from "./config.js";

/** Options of `monailabel start_server` that are taken, so that a copied command line starts, and change nothing: what holds instead. */
export const idleOptions = {
  "--workers <number>": "one process answers all clients; more machines compute with --redis and limnet worker",
  "--limit_concurrency <number>": "LIMNET_MAX_CONNECTIONS and LIMNET_MAX_WAITING are the limits",
  "--log_config <file>": "--verbose and LIMNET_LOG_FILE say what is logged and where",
  "--log_level <level>": "--verbose says what is logged",
  "--access_log": "every request is logged",
  "--uvicorn_app <name>": "there is one server",
  "--ssl_ca_certs <file>": "client certificates are not asked for; --auth asks for a login",
} as const;

/** Settings of MONAI Label (protocol 1.11) that are passed over: what holds instead. */
const idleSettings: Record<string, string> = {
  MONAI_LABEL_PROJECT_NAME: "the page at / is called limnet",
  MONAI_LABEL_TASKS_TRAIN: "nothing is trained here",
  MONAI_LABEL_DATASTORE: "studies are a folder, or a DICOMweb archive where --studies is an address",
  MONAI_LABEL_DATASTORE_FILE_EXT: "files ending in .nii.gz, .nii, .nrrd and .mha are images, and folders of DICOM files",
  MONAI_LABEL_DATASTORE_AUTO_RELOAD: "what other programs put into the folder is always seen",
  MONAI_LABEL_DATASTORE_READ_ONLY: "the folder is always read as it is at the start",
  MONAI_LABEL_AUTO_UPDATE_SCORING: "scores are computed when they are asked for",
  MONAI_LABEL_SESSION_PATH: "sessions are kept below --state",
  MONAI_LABEL_INFER_CONCURRENCY: "clicks are queued; --redis and limnet worker compute several at once",
  MONAI_LABEL_TRACKING_ENABLED: "nothing is trained here",
  MONAI_LABEL_TRACKING_URI: "nothing is trained here",
  MONAI_LABEL_USE_ITK_FOR_DICOM_SEG: "LIMNET_DICOM_SEG says how labels become DICOM",
  MONAI_LABEL_DICOMWEB_FETCH_BY_FRAME: "series are fetched as a whole",
  MONAI_LABEL_DICOMWEB_CONVERT_TO_NIFTI: "series become volumes by limnet itself",
  MONAI_LABEL_DICOMWEB_PROXY_TIMEOUT: "LIMNET_DICOMWEB_TIMEOUT is the deadline",
  MONAI_LABEL_DICOMWEB_READ_TIMEOUT: "LIMNET_DICOMWEB_TIMEOUT is the deadline",
};

/** A sentence for each option and setting that was given and changes nothing. `options`: by their names without dashes. */
export function idleNotes(options: Readonly<Record<string, unknown>>, environment: NodeJS.ProcessEnv): string[] {
  const given = Object.entries(idleOptions).filter(([flag]) => options[flag.slice(2).split(" ")[0]] !== undefined).map(([flag, instead]) => `${flag.split(" ")[0]} changes nothing here: ${instead}.`);
  const known = new Set(knownNames);
  const set = Object.keys(environment).filter((name) => name.startsWith("MONAI_LABEL_") && environment[name] !== "" && !known.has(name)).sort();
  return [...given, ...set.map((name) => `${name} changes nothing here${idleSettings[name] === undefined ? ", it is not known" : `: ${idleSettings[name]}`}.`)];
}

/**
 * Settings of `.env` in the working directory, as MONAI Label reads them; the environment wins. Only a file of this user that others
 * cannot write counts: whoever writes it decides who may read the scans.
 * @throws ConfigError for a file that others could have written
 */
export function envFileSettings(file: string, environment: NodeJS.ProcessEnv): Record<string, string> {
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found?.isFile()) return {};
  const settings = Object.entries(parseEnv(readFileSync(file, "utf8"))).filter(([name, value]) => /^(MONAI_LABEL|LIMNET)_/.test(name) && value !== undefined && environment[name] === undefined);
  if (settings.length === 0) return {};
  const user = process.getuid?.();
  if (user !== undefined && ((found.uid !== user && found.uid !== 0) || (found.mode & 0o022) !== 0)) {
    throw new ConfigError(`The settings in ${file} are not taken: others may write that file. Make it yours (chown, chmod go-w), or start in another folder.`);
  }
  return Object.fromEntries(settings) as Record<string, string>;
}

/** `--dryrun`: the settings as lines for a shell, in a file that only its owner reads. No password is among them. */
export async function writeEnvFile(file: string, { app, studies, conf, host, port, prefix }: Config): Promise<void> {
  const settings = { MONAI_LABEL_APP_DIR: app, MONAI_LABEL_STUDIES: studies, MONAI_LABEL_APP_CONF: JSON.stringify(conf), MONAI_LABEL_SERVER_PORT: String(port), LIMNET_HOST: host, ...(prefix !== "" && { MONAI_LABEL_API_STR: prefix }) };
  const lines = Object.entries(settings).map(([name, value]) => {
    if (/['\n]/.test(value)) throw new ConfigError(`${name} holds a quote or a line end, which cannot be written to ${file}.`);
    return `export ${name}='${value}'\n`;
  });
  await writeFile(file, lines.join(""), { mode: 0o600 });
}
