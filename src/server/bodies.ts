/** JSON in bodies and form fields. */
import express, { type Request, type Response } from "express";
import { LimnetError } from "../errors.js";
import type { Config } from "./config.js";
import { ValidationError } from "./errors.js";

/** The JSON object of a body; a missing body is the same as {}. */
export async function readDictionary(req: Request, res: Response, config: Config): Promise<Record<string, unknown>> {
  await new Promise<void>((resolve, reject) => {
    express.text({ type: () => true, limit: config.maxJsonBytes, inflate: false })(req, res, (error?: unknown) => (error ? reject(error) : resolve()));
  });
  const text = typeof req.body === "string" ? req.body.trim() : "";
  if (text === "") return {};
  checkDepth(text, config.maxJsonDepth);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw ValidationError.body(req.is("json") ? "json_invalid" : "dict_type", text.slice(0, 200));
  }
  if (value === null) return {};
  if (!isDictionary(value)) throw ValidationError.body("dict_type", value);
  return value;
}

/** The JSON object in a form field; a missing or empty field is the same as {}. */
export function parseObject(text: string | undefined, field: string, { maxJsonDepth }: Config): Record<string, unknown> {
  if (text === undefined || text.trim() === "") return {};
  checkDepth(text, maxJsonDepth);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new LimnetError("bad_request", `"${field}" is not JSON. Send an object as text, for example {"foreground": [[66, 70, 30]], "background": []}.`);
  }
  if (!isDictionary(value)) throw new LimnetError("bad_request", `"${field}" has to be a JSON object, for example {"label": "tumour"}; it is ${kind(value)}.`);
  return value;
}

/** Before it is parsed: what is nested a million times would exhaust the stack of whoever writes it out again. */
function checkDepth(text: string, most: number): void {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (quoted) {
      if (char === backslash) at++;
      else if (char === quote) quoted = false;
    } else if (char === quote) quoted = true;
    else if (char === openBracket || char === openBrace) {
      if (++depth > most) throw new LimnetError("bad_params", `The JSON has more than ${most} arrays and objects inside each other (LIMNET_MAX_JSON_DEPTH).`);
    } else if (char === closeBracket || char === closeBrace) depth--;
  }
}

const [quote, backslash, openBracket, closeBracket, openBrace, closeBrace] = [...'"\\[]{}'].map((char) => char.charCodeAt(0));

function isDictionary(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kind(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "an array" : `a ${typeof value}`;
}
