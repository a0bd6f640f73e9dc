import { describe, expect, it } from "vitest";
import { ConfigError, isLoopback, loadConfig } from "./config.js";

const folders = { app: "app", studies: "studies" };

describe("loadConfig", () => {
  it("takes a flag before the environment, and the environment before the default", () => {
    const environment = { MONAI_LABEL_SERVER_PORT: "8001", MONAI_LABEL_APP_DIR: "/other", MONAI_LABEL_STUDIES: "/scans" };
    expect(loadConfig({ port: "8002" }, environment)).toMatchObject({ port: 8002, app: "/other", studies: "/scans", host: "127.0.0.1" });
    expect(loadConfig({}, environment).port).toBe(8001);
    expect(loadConfig(folders, {}).port).toBe(8000);
  });

  it("is frozen, and keeps its state hidden beside the studies", () => {
    const config = loadConfig({ ...folders, studies: "/scans" }, {});
    expect(config.state).toBe("/scans/.limnet");
    expect(Object.isFrozen(config)).toBe(true);
  });

  it("reads MONAI Label's JSON settings and words for true and false", () => {
    const config = loadConfig(folders, { MONAI_LABEL_CORS_ORIGINS: '["http://a"]', MONAI_LABEL_APP_CONF: '{"models":"all"}', MONAI_LABEL_SESSIONS: "False", MONAI_LABEL_SESSION_EXPIRY: "30" });
    expect(config).toMatchObject({ corsOrigins: ["http://a"], conf: { models: "all" }, sessions: false, sessionExpiry: 3600 });
  });

  it("says which setting cannot be used", () => {
    expect(() => loadConfig({ ...folders, port: "eighty" }, {})).toThrow(/port/);
    expect(() => loadConfig(folders, { MONAI_LABEL_CORS_ORIGINS: "a,b" })).toThrow(ConfigError);
  });

  it("refuses an address that others reach, unless told that this is meant", () => {
    expect(() => loadConfig({ ...folders, host: "0.0.0.0" }, {})).toThrow(/--insecure/);
    expect(loadConfig({ ...folders, host: "0.0.0.0", insecure: true }, {}).host).toBe("0.0.0.0");
    expect(["127.0.0.1", "127.8.8.8", "::1", "localhost", "0.0.0.0", "::", "127.evil.example"].map(isLoopback)).toEqual([true, true, true, true, false, false, false]);
  });
});
