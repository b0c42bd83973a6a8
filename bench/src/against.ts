import { readFileSync } from "node:fs";

/** Which release is measured, on which database. */
export function againstThisRelease(): string {
  const file = new URL("../../package.json", import.meta.url);
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
  return `galaxy-jobs ${version} with its embedded PostgreSQL`;
}
