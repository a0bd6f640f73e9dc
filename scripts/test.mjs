/**
 * Everything that `npm test` checks: lint, types, tests. The last line is `N passed, N failed`; lint and type check count as one
 * each. Exits 1 if anything failed.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const report = join(root, ".cache", "vitest.json");
const python = join(root, ".cache", "judges", "bin", "python");

function step(name, file, args) {
  console.log(`\n== ${name}`);
  const env = existsSync(python) ? { LIMNET_JUDGES_PYTHON: python } : {};
  const done = spawnSync(process.execPath, [join(root, "node_modules", ...file), ...args], {
    cwd: root, stdio: ["ignore", "inherit", "inherit"], env: { ...env, ...process.env },
  });
  return done.status === 0;
}

/** Passed and failed tests of the vitest run; a file that could not be loaded, or an error outside any test, counts as a failure. */
function countTests(succeeded) {
  if (!existsSync(report)) return { passed: 0, failed: 1 };
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, "utf8"));
  const broken = testResults.filter(({ status, assertionResults }) =>
    status === "failed" && !assertionResults.some((test) => test.status === "failed")).length;
  const failed = numFailedTests + broken;
  return { passed: numPassedTests, failed: failed === 0 && !succeeded ? 1 : failed };
}

mkdirSync(dirname(report), { recursive: true });
rmSync(report, { force: true });
const checks = [
  step("lint", ["eslint", "bin", "eslint.js"], [".", "--max-warnings", "0"]),
  step("types", ["typescript", "bin", "tsc"], ["-p", "tsconfig.check.json"]),
];
const tests = countTests(
  step("tests", ["vitest", "vitest.mjs"], ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`]),
);
const passed = tests.passed + checks.filter(Boolean).length;
const failed = tests.failed + checks.filter((ok) => !ok).length;
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
