import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { FaultsError, formatFault, loadGalaxyConfig, type GalaxyConfig } from "@galaxy-jobs/runtime";

/** A folder with a galaxy.yml and what belongs to it, removed with `remove`. */
export class ConfigFolder {
  readonly path = mkdtempSync(join(tmpdir(), "galaxy-test-config-"));

  write(name: string, text: string): string {
    const file = join(this.path, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  /** Loads galaxy.yml, an empty one where none was written. */
  load(files: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}): GalaxyConfig {
    for (const [name, text] of Object.entries({ "galaxy.yml": "", ...files })) this.write(name, text);
    return loadGalaxyConfig({ file: join(this.path, "galaxy.yml"), env });
  }

  /** The faults of these files, each on a line, without the folder in front of file names. */
  faults(files: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}): string[] {
    try {
      this.load(files, env);
    } catch (error) {
      if (!(error instanceof FaultsError)) throw error;
      return error.faults.map((fault) => this.shorten(formatFault(fault)));
    }
    return [];
  }

  warnings(files: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}): string[] {
    return this.load(files, env).warnings.map((fault) => this.shorten(formatFault(fault)));
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  shorten(text: string): string {
    return text.replaceAll(/[^\s"]*galaxy-test-config-\w+\//g, "");
  }
}
