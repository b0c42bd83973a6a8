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
 * Reads a configuration file. One that is missing, unreadable or not what `parse` reads is a fault; the result is then
 * undefined.
 *
 * @param shown the name of the file in faults
 * @param parse reads its text; YAML unless said otherwise
 */
export function readConfigFile(
  file: string,
  shown: string,
  report: (fault: Fault) => void,
  parse: (text: string) => PositionedDocument = (text) => parseYaml(text, shown),
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
  const document = parse(text);
  document.faults.forEach(report);
  if (document.value === undefined && document.faults.length > 0) return undefined;
  return new ConfigSource(shown, document, report);
}

/** True for what YAML calls a map. */
export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
