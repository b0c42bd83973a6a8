import { readFileSync } from "node:fs";
import { serverVersion } from "./database.ts";

/** Which release is measured, on which database. */
export function againstThisRelease(): string {
  const file = new URL("../../package.json", import.meta.url);
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
  return `galaxy-jobs ${version} with its embedded PostgreSQL`;
}

/** The same with the server's release. */
export async function againstServer(): Promise<string> {
  return `${againstThisRelease()} ${await serverVersion()}`;
}
