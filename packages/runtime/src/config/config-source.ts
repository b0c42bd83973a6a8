import fs from "node:fs";
import path from "node:path";
import type { Fault } from "../faults.ts";
import { dottedPath } from "../faults.ts";
import { parseYaml } from "../yaml-document.ts";
import type { DocumentPath, PositionedDocument } from "../yaml-document.ts";

/** A configuration file that was read, and the faults found in it so far. */
export class ConfigSource {
  readonly file: string;
  readonly document: PositionedDocument;
  readonly #report: (fault: Fault) => void;

  constructor(file: string, document: PositionedDocument, report: (fault: Fault) => void) {
    this.file = file;
    this.document = document;
    this.#report = report;
  }

  fault(at: DocumentPath, message: string, remedy?: string): void {
    this.#report(this.describe(at, message, remedy));
  }

  describe(at: DocumentPath, message: string, remedy?: string): Fault {
    return {
      file: this.file,
      ...this.document.position(at),
      ...(at.length === 0 ? {} : { key: dottedPath(at) }),
      message,
      ...(remedy === undefined ? {} : { remedy }),
    };
  }
}

/**
 * Reads a YAML file. A file that is missing, unreadable or not YAML is a fault; the result is then undefined.
 *
 * @param shown the name of the file in faults
 */
export function readConfigFile(
  file: string,
  shown: string,
  report: (fault: Fault) => void,
  options: Parameters<typeof parseYaml>[2] = {},
): ConfigSource | undefined {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    report({
      file: shown,
      message: code === "ENOENT" ? "there is no such file" : `cannot be read (${String(code)})`,
      ...(code === "ENOENT" && !path.isAbsolute(shown) ? { remedy: `looked for it as ${file}` } : {}),
    });
    return undefined;
  }
  const document = parseYaml(text, shown, options);
  document.faults.forEach(report);
  if (document.value === undefined && document.faults.length > 0) return undefined;
  return new ConfigSource(shown, document, report);
}

/** True for what YAML calls a map. */
export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
