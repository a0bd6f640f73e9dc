/** The part of dcmjs that is used here; the package has no types of its own. */
declare module "dcmjs" {
  /** Element by tag ("00100010"): what a data set is to dcmjs. */
  interface DicomElement {
    vr: string;
    Value?: unknown[];
  }
  interface DicomDictLike {
    dict: Record<string, DicomElement>;
    meta: Record<string, DicomElement>;
    write(options?: { allowInvalidVRLength?: boolean; fragmentMultiframe?: boolean }): ArrayBuffer;
  }
  interface ReadOptions {
    ignoreErrors?: boolean;
    untilTag?: string | null;
    includeUntilTagValue?: boolean;
    noCopy?: boolean;
  }
  const dcmjs: {
    data: {
      DicomMessage: { readFile(buffer: ArrayBuffer, options?: ReadOptions): DicomDictLike };
      DicomMetaDictionary: {
        naturalizeDataset(dict: Record<string, DicomElement>): Record<string, unknown>;
        denaturalizeDataset(dataset: Record<string, unknown>): Record<string, DicomElement>;
        dictionary: Record<string, { name: string; vr: string; vm: string } | undefined>;
      };
      DicomDict: new (meta: Record<string, DicomElement>) => DicomDictLike;
    };
    log: { setLevel(level: string | number): void };
  };
  export default dcmjs;
}
