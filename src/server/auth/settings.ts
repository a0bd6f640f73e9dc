/** Settings of the login (protocol 1.11, `MONAI_LABEL_AUTH_*`), part of the one schema in ../config.ts. */
import { z } from "zod";

const flag = (value: unknown) => (typeof value === "string" ? /^(true|1|yes|on|t|y)$/i.test(value) : value);
const address = z.url({ protocol: /^https?$/ }).transform((url) => url.replace(/\/+$/, ""));

export const authShape = {
  /** Whether a login is asked for. */
  auth: z.preprocess(flag, z.boolean().default(false)),
  /** File of the tokens that `limnet token` makes; default in the user's configuration folder. */
  tokens: z.string().min(1).optional(),
  /** Address of the OIDC realm; without one only tokens are known. */
  authRealm: address.optional(),
  authClientId: z.string().min(1).default("monailabel-app"),
  /** Seconds for one answer of the identity provider. */
  authTimeout: z.coerce.number().positive().max(600).default(10),
  /** Seconds after which the provider's keys are fetched again. */
  authRefresh: z.coerce.number().positive().default(600),
  /** Seconds between two questions to a provider, for a key that is not known or after one that it did not answer. */
  authRetry: z.coerce.number().positive().default(10),
  /** `aud` that a token of the provider must have; not looked at where unset, as in MONAI Label. */
  authAudience: z.string().min(1).optional(),
  /** `iss` that it must have, where that is not what the realm says of itself. */
  authIssuer: z.string().min(1).optional(),
  /** Claims, "#" between nested keys. */
  authClaimUsername: z.string().min(1).default("preferred_username"),
  authClaimEmail: z.string().min(1).default("email"),
  authClaimName: z.string().min(1).default("name"),
  authClaimRoles: z.string().min(1).default("realm_access#roles"),
  /** What the provider calls the roles. */
  roleAdmin: z.string().min(1).default("monailabel-admin"),
  roleReviewer: z.string().min(1).default("monailabel-reviewer"),
  roleAnnotator: z.string().min(1).default("monailabel-annotator"),
  roleUser: z.string().min(1).default("monailabel-user"),
  /** Seconds in which an image that was just handed out as next sample may be fetched once without a token; 0 turns it off. */
  downloadGrant: z.coerce.number().int().min(0).max(3600).default(60),
};

export const authEnvironment: Record<keyof typeof authShape, readonly string[]> = {
  auth: ["MONAI_LABEL_AUTH_ENABLE"],
  tokens: ["LIMNET_TOKENS"],
  authRealm: ["MONAI_LABEL_AUTH_REALM_URI"],
  authClientId: ["MONAI_LABEL_AUTH_CLIENT_ID"],
  authTimeout: ["MONAI_LABEL_AUTH_TIMEOUT"],
  authRefresh: ["LIMNET_AUTH_REFRESH"],
  authRetry: ["LIMNET_AUTH_RETRY"],
  authAudience: ["LIMNET_AUTH_AUDIENCE"],
  authIssuer: ["LIMNET_AUTH_ISSUER"],
  authClaimUsername: ["MONAI_LABEL_AUTH_TOKEN_USERNAME"],
  authClaimEmail: ["MONAI_LABEL_AUTH_TOKEN_EMAIL"],
  authClaimName: ["MONAI_LABEL_AUTH_TOKEN_NAME"],
  authClaimRoles: ["MONAI_LABEL_AUTH_TOKEN_ROLES"],
  roleAdmin: ["MONAI_LABEL_AUTH_ROLE_ADMIN"],
  roleReviewer: ["MONAI_LABEL_AUTH_ROLE_REVIEWER"],
  roleAnnotator: ["MONAI_LABEL_AUTH_ROLE_ANNOTATOR"],
  roleUser: ["MONAI_LABEL_AUTH_ROLE_USER"],
  downloadGrant: ["LIMNET_DOWNLOAD_GRANT"],
};

export type AuthSettings = Readonly<z.infer<z.ZodObject<typeof authShape>>>;
