/**
 * Makes a checkout ready to run: packages, compiled code and, with --test, the Python judges of the tests.
 * Quick when there is nothing to do; can be run again at any time. Uses nothing but Node itself.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const inRoot = (...parts) => join(root, ...parts);

function say(sentence) {
  console.log(`setup: ${sentence}`);
}

function fail(sentence) {
  console.error(`setup: ${sentence}`);
  process.exit(1);
}

function run(command, args, remedy, env = {}) {
  const done = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, ...env } });
  if (done.status !== 0) fail(`\`${command} ${args.join(" ")}\` failed (${done.error?.message ?? `exit ${done.status}`}). ${remedy}`);
}

function digest(files) {
  const hash = createHash("sha256");
  for (const file of files) hash.update(`${file}\0`).update(readFileSync(inRoot(file))).update("\0");
  return hash.digest("hex");
}

/** What a step was last done for; "" when never, or not to its end. */
function stamp(file) {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) fail(`limnet needs Node 20.19 or later, this is ${process.versions.node}. Install a newer Node and run the command again.`);
}

function packages() {
  const wanted = digest(["package-lock.json"]);
  const file = inRoot("node_modules", ".limnet-lock");
  if (stamp(file) === wanted) return;
  // Installed by hand with npm: its own record is written last, so a record younger than the lock file is a finished install.
  const record = inRoot("node_modules", ".package-lock.json");
  if (stamp(file) === "" && existsSync(record) && statSync(record).mtimeMs >= statSync(inRoot("package-lock.json")).mtimeMs) {
    writeFileSync(file, wanted);
    return;
  }
  say("installing packages (npm ci)");
  const flags = ["--include=dev", "--no-audit", "--no-fund"];
  const env = { ONNXRUNTIME_NODE_INSTALL: "skip" };
  const clean = spawnSync("npm", ["ci", ...flags], { cwd: root, encoding: "utf8", env: { ...process.env, ...env } });
  if (clean.status === 0) console.log(clean.stdout.trim());
  else {
    // npm ci also refuses where the registry lacks an optional package of another platform; an install does not mind, and
    // takes the locked versions all the same.
    say(`npm ci refused (${/npm error (?!code)(.+)/.exec(clean.stderr ?? "")?.[1] ?? clean.error?.message ?? `exit ${clean.status}`}); trying npm install`);
    run("npm", ["install", "--no-save", ...flags], "Check the network and run the command again.", env);
  }
  writeFileSync(file, wanted);
}

/** With --test an error of types stops nothing: the type check counts it, and the other tests still say what they know. */
function build(testing) {
  const sources = readdirSync(inRoot("src"), { recursive: true })
    .map((name) => `src/${name}`)
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .sort();
  const wanted = digest(["package-lock.json", "tsconfig.json", ...sources]);
  const file = inRoot("dist", ".sources");
  if (stamp(file) === wanted) {
    // bin/limnet goes by the time of change: a checkout that only touched the sources must not send it the slow way.
    const now = new Date();
    utimesSync(inRoot("dist", "cli.js"), now, now);
    return;
  }
  say(`compiling ${sources.length} source files to dist/`);
  rmSync(inRoot("dist"), { recursive: true, force: true });
  const compiler = [inRoot("node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.json"];
  const done = spawnSync(process.execPath, compiler, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (done.status === 0) writeFileSync(file, wanted);
  else if (testing) say("the sources do not compile without errors");
  else fail("the sources do not compile; the lines above say where.");
}

/** True when this Python can make a virtual environment with pip in it. */
function canMakeVenv(python) {
  return spawnSync(python, ["-c", "import venv, ensurepip"], { stdio: "ignore" }).status === 0;
}

/** Debian packages, installed if any of them is missing. */
function debian(names, remedy) {
  const missing = names.filter((name) => spawnSync("dpkg-query", ["-W", "-f=${Status}", name], { encoding: "utf8" }).stdout !== "install ok installed");
  if (missing.length === 0) return;
  say(`installing ${missing.join(", ")} (apt-get)`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  // Policy 101: the services are started by the tests themselves, on free ports, and stop with them.
  const policy = "/usr/sbin/policy-rc.d";
  if (!existsSync(policy)) {
    writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
    process.once("exit", () => rmSync(policy, { force: true }));
  }
  run("apt-get", ["update", "-q"], remedy, env);
  run("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...missing], remedy, env);
}

/** The real programs that the tests talk to (scripts/judges/packages.txt, one Debian package a line, # starts a comment). */
function programs() {
  const list = readFileSync(inRoot("scripts", "judges", "packages.txt"), "utf8").split("\n").map((line) => line.replace(/#.*/, "").trim()).filter(Boolean);
  debian(list, "Install the packages named above by hand and run the command again.");
}

function judges() {
  const requirements = "scripts/judges/requirements.txt";
  if (!existsSync(inRoot(requirements))) return say(`no ${requirements}: no Python judges`);
  const alone = "scripts/judges/requirements-nodeps.txt";
  const wanted = digest([requirements, alone]);
  const folder = inRoot(".cache", "judges");
  const file = join(folder, ".requirements");
  if (stamp(file) === wanted) return;
  if (!canMakeVenv("python3")) debian(["python3", "python3-venv", "python3-pip"], "Install Python 3 with venv and pip by hand and run the command again.");
  say("making a Python environment for the judges of the tests in .cache/judges");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  // Right after apt-get, the system's python3 is the one that has venv, whatever comes first in PATH.
  run(canMakeVenv("python3") ? "python3" : "/usr/bin/python3", ["-m", "venv", folder], "Install python3-venv and run the command again.");
  run(join(folder, "bin", "pip"), ["install", "--quiet", "--disable-pip-version-check", "-r", requirements], "Check the network and run the command again.");
  run(join(folder, "bin", "pip"), ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", alone], "Check the network and run the command again.");
  writeFileSync(file, wanted);
}

checkNode();
packages();
const testing = process.argv.includes("--test");
build(testing);
if (testing) {
  programs();
  judges();
}
