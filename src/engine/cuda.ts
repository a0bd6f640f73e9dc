/** Whether ONNX Runtime has CUDA here. For the engine's process only: it loads ONNX Runtime. */
import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { listSupportedBackends } from "onnxruntime-node";

/** ONNX Runtime for Linux has CUDA in a library of its own, which its installation fetches on demand; the list of backends does not tell. */
export function hasCuda(): boolean {
  if (listSupportedBackends().some(({ name, bundled }) => name === "cuda" && bundled)) return true;
  const bin = path.join(path.dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json")), "bin");
  try {
    return readdirSync(bin).some((abi) => ["libonnxruntime_providers_cuda.so", "onnxruntime_providers_cuda.dll"]
      .some((library) => existsSync(path.join(bin, abi, process.platform, process.arch, library))));
  } catch {
    return false;
  }
}
