/** What the doctor says: one finding per check, each with what to do about it. */
export interface Finding {
  readonly check: string;
  readonly state: "ok" | "warning" | "problem";
  /** What was found, in a sentence. */
  readonly found: string;
  /** What to do; absent where all is well. */
  readonly remedy?: string;
}

export const ok = (check: string, found: string): Finding => ({ check, state: "ok", found });
export const warning = (check: string, found: string, remedy: string): Finding => ({ check, state: "warning", found, remedy });
export const problem = (check: string, found: string, remedy: string): Finding => ({ check, state: "problem", found, remedy });

/** For people: one line a check, the remedy below it. */
export function asText(findings: readonly Finding[]): string {
  const signs = { ok: "ok      ", warning: "warning ", problem: "PROBLEM " };
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ check, state, found, remedy }) => [
    `${signs[state]} ${check.padEnd(width)}  ${found}`, ...(remedy ? [`${" ".repeat(11 + width)}-> ${remedy}`] : []),
  ]);
  const count = (state: Finding["state"]) => findings.filter((finding) => finding.state === state).length;
  return [...lines, "", `${count("ok")} ok, ${count("warning")} warnings, ${count("problem")} problems`].join("\n");
}

/** 1 where something has to be done before it works. */
export function exitCode(findings: readonly Finding[]): number {
  return findings.some(({ state }) => state === "problem") ? 1 : 0;
}
