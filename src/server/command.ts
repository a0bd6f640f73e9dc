/** `limnet start_server`, spelled as the `monailabel` command. */
import { existsSync } from "node:fs";
import { type Command, Option } from "commander";
import { isArchive } from "./archive-settings.js";
import { type Config, ConfigError, loadConfig } from "./config.js";
import { idleNotes, idleOptions, writeEnvFile } from "./monailabel-settings.js";
import { startServer } from "./start.js";

interface Flags {
  app?: string;
  studies?: string;
  cacheSize?: string;
  modalities?: string;
  host?: string;
  port?: string;
  conf?: string[];
  verbose?: string;
  insecure?: boolean;
  ssl_certfile?: string;
  ssl_keyfile?: string;
  ssl_keyfile_password?: string;
  auth?: boolean;
  tokens?: string;
  authRealm?: string;
  allowOrigin?: string[];
  state?: string;
  stateLimit?: string;
  ohif?: string;
  redis?: string;
  memory?: string;
  stopSeconds?: string;
  root_path?: string;
  dryrun?: boolean;
}

/** Adds the command to the program. */
export function startServerCommand(program: Command): void {
  const command = program
    .command("start_server")
    .description("serve a folder of scans to 3D Slicer, OHIF, MITK or curl")
    .option("-a, --app <folder>", "folder of the app: labels, windows, model choice (such as sample-apps/radiology)")
    .option("-s, --studies <folder or address>", "folder of the scans (.nii.gz .nii .nrrd .mha), created where it is missing; or the DICOMweb address of an archive, such as http://127.0.0.1:8042/dicom-web")
    .option("--cache-size <size>", "most room on this disk for volumes made of DICOM series, such as 20G (the default) or 500M")
    .option("--modalities <list>", "of an archive: modalities that are listed (default: CT,MR,PT,NM,US,OPT)")
    .option("-i, --host <address>", "address to listen on (default: 127.0.0.1, this machine only)")
    .option("-p, --port <number>", "port to listen on, 0 picks a free one (default: 8000)")
    .option("-c, --conf <key value...>", "a setting of the app, such as threads 2, model NAME, device cpu, aliases deepedit; may be given several times")
    .option("-v, --verbose <level>", "what is logged on standard error: DEBUG, INFO, WARNING or ERROR (default: INFO)")
    .option("--state <folder>", "folder for journals and temporary files (default: <studies>/.limnet; with an archive below ~/.local/state/limnet)")
    .option("--state-limit <size>", "disk space for journals and kept masks; submitted work is cleaned first (default: 20GB)")
    .option("--ohif <folder>", "a build of the OHIF viewer (public URL /ohif/), served under /ohif/")
    .option("--auth", "ask for a login: tokens of `limnet token add`, and the identity provider of --auth-realm")
    .option("--tokens <file>", "file of the tokens (default: where `limnet token` keeps them)")
    .option("--auth-realm <address>", "OpenID Connect realm that users come from, such as https://sso.example/realms/imaging")
    .option("--allow-origin <address...>", "web pages that may use the server besides its own, such as https://viewer.example")
    .option("--redis <address>", "let `limnet worker` processes compute, through Redis at redis://host:6379 (default: this process)")
    .option("--memory <size>", "memory that server and engine may use together, such as 4GB (default: from the machine)")
    .option("--stop-seconds <number>", "how long running requests may take when the server is told to stop (default: 10)")
    .option("--ssl_certfile <file>", "certificate (PEM): the server speaks https, as MITK wants it")
    .option("--ssl_keyfile <file>", "private key of the certificate (PEM), where it is not in the same file")
    .option("--ssl_keyfile_password <password>", "password of the key; LIMNET_SSL_KEYFILE_PASSWORD keeps it out of the process list")
    .option("--root_path <path>", "path that a proxy in front takes away, such as /limnet: addresses in the description begin with it")
    .option("--dryrun", "check the settings, write them to .env in this folder and stop")
    .option("--insecure", "allow an address that other machines can reach without a login")
    .addHelpText("after", `
Example:
  limnet start_server --app sample-apps/radiology --studies ~/scans --port 8000
  LIMNET_DICOMWEB_USERNAME=limnet LIMNET_DICOMWEB_PASSWORD_FILE=~/orthanc-password \\
    limnet start_server --app sample-apps/radiology --studies http://127.0.0.1:8042/dicom-web
  limnet start_server --app sample-apps/radiology --studies ~/scans --ssl_certfile server.crt --ssl_keyfile server.key

Settings also come from the environment: MONAI_LABEL_APP_DIR, MONAI_LABEL_STUDIES, MONAI_LABEL_SERVER_PORT, LIMNET_HOST, LIMNET_STATE …`)
    .action(start);
  for (const flag of Object.keys(idleOptions)) command.addOption(new Option(flag).hideHelp());
}

async function start(flags: Flags): Promise<void> {
  try {
    const config = settings(flags);
    for (const note of idleNotes({ ...flags }, process.env)) console.error(note);
    if (flags.dryrun) {
      await writeEnvFile(".env", config);
      return console.log("The settings can be used and are in .env, without passwords. A server that is started in this folder takes them from there.");
    }
    const fresh = !isArchive(config.studies) && !existsSync(config.studies);
    const server = await startServer(config);
    if (fresh) console.error(`The studies folder ${config.studies} did not exist and was made. Put scans into it (.nii.gz, .nii, .nrrd, .mha, or folders of DICOM files): they are found at once.`);
    const images = server.images === null ? "studies of the archive" : server.images === 1 ? "1 image" : `${server.images} images`;
    console.log(`limnet is ready at ${server.url} - ${images}, models: ${server.models.join(", ")}`);
    stopOnSignal(() => server.close(), config.stopSeconds + 15);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}

function settings(flags: Flags): Config {
  const environment = process.env;
  const studies = flags.studies ?? environment.MONAI_LABEL_STUDIES;
  if (!(flags.app ?? environment.MONAI_LABEL_APP_DIR)) throw new ConfigError("Which app? Name its folder with --app, for example --app sample-apps/radiology.");
  if (!studies) throw new ConfigError("Which scans? Name their folder with --studies, for example --studies ~/scans.");
  const { conf, allowOrigin: corsOrigins, ssl_certfile: sslCertfile, ssl_keyfile: sslKeyfile, ssl_keyfile_password: sslKeyfilePassword, root_path: rootPath, ...rest } = flags;
  // Who says where users come from wants them to log in.
  const auth = flags.auth ?? (flags.tokens !== undefined || flags.authRealm !== undefined ? true : undefined);
  return loadConfig({ ...rest, auth, corsOrigins, sslCertfile, sslKeyfile, sslKeyfilePassword, rootPath, ...(conf && { conf: pairs(conf) }) } as Parameters<typeof loadConfig>[0]);
}

/** `--conf KEY VALUE …` */
export function pairs(words: readonly string[]): Record<string, string> {
  if (words.length % 2 !== 0) throw new ConfigError("--conf takes a key and a value, for example --conf threads 2.");
  const found: [string, string][] = [];
  for (let n = 0; n < words.length; n += 2) found.push([words[n]!, words[n + 1]!]);
  return Object.fromEntries(found);
}

/** First signal: stop in order. Second: leave at once. */
export function stopOnSignal(close: () => Promise<void>, deadlineSeconds: number): void {
  let stopping = false;
  const stop = () => {
    if (stopping) process.exit(130);
    stopping = true;
    // Whatever hangs: a service manager waits for the exit.
    setTimeout(() => process.exit(1), deadlineSeconds * 1000).unref();
    close().then(() => process.exit(0), () => process.exit(1));
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  // Started by bin/limnet: should that be killed, nobody is left to stop us.
  process.once("disconnect", stop);
  process.channel?.unref();
}
