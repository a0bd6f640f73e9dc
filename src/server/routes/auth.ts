/** /auth: who may log in and how (protocol 1.2). Not served at all where no login is asked for. */
import { LimnetError } from "../../errors.js";
import { type Endpoint, endpoint } from "../endpoint.js";
import { ValidationError } from "../errors.js";
import { readForm } from "../uploads.js";

/** Tag of these endpoints. */
export const loginTag = "Login";

const text = { type: "string" } as const;
const loginForm = {
  type: "object", required: ["username", "password"],
  properties: { username: text, password: { type: "string", format: "password" }, grant_type: { type: "string", enum: ["password"] }, scope: text, client_id: text, client_secret: text },
};

export function authRoutes(): Endpoint[] {
  return [about(), token(), valid()];
}

/** 3D Slicer asks this before every single call. */
function about(): Endpoint {
  return endpoint({
    method: "get", path: "/auth/", tag: loginTag, role: "public", summary: "That a login is asked for, and where users come from",
    handle: ({ context: { config } }) => ({ enabled: true, client_id: config.authClientId, realm: config.authRealm ?? "" }),
  });
}

function token(): Endpoint {
  return endpoint({
    method: "post", path: "/auth/token", tag: loginTag, role: "public",
    summary: "Access token for a name and password of the identity provider, or for the name of a token with the token as password",
    body: { "application/x-www-form-urlencoded": loginForm, "multipart/form-data": loginForm },
    async handle({ req, res, scratch, context: { config, auth } }) {
      res.setHeader("Cache-Control", "no-store");
      const form = await readForm({ req, res, config, scratch, files: [], texts: [] });
      const [username, password, grant] = [await form.text("username"), await form.text("password"), await form.text("grant_type")];
      if (!username) throw ValidationError.missing("username");
      if (!password) throw ValidationError.missing("password");
      if (grant && grant !== "password") throw new LimnetError("bad_request", 'Only the grant type "password" is known here.');
      const found = await auth.login(username, password);
      if (found === null) throw new LimnetError("not_authenticated", "The name or the password is wrong. With a token of `limnet token add`: its name, and the token as password.");
      return { access_token: found, token_type: "Bearer" };
    },
  });
}

function valid(): Endpoint {
  return endpoint({
    method: "get", path: "/auth/token/valid", tag: loginTag, role: "login", summary: "Who the token says that you are",
    handle({ user: { username, email, name, roles }, context: { auth } }) {
      return { username, email, name, roles: roles.map((role) => auth.roleName(role)) };
    },
  });
}
