import type { HandlerContext } from "../handler-context.ts";
import type { PreparedRun, Runner } from "../runners/runner.ts";

/** Galaxy's words for a destination whose runner is not there (galaxy.md 4.6). */
export const misconfiguredInfo =
  "Unable to run job due to a misconfiguration of the Galaxy job running system.  Please contact a site administrator.";

/** @throws Error in Galaxy's words when this handler has no such runner */
export function runnerOf(context: HandlerContext, name: string): Runner {
  const runner = context.runners.get(name);
  if (runner === undefined) throw new Error(misconfiguredInfo);
  return runner;
}

/** Whether a run has a run directory with its files. */
export function hasDirectory(
  context: HandlerContext,
  { destination }: Pick<PreparedRun, "destination">,
): boolean {
  return context.runners.get(destination.runner)?.needsDirectory !== false;
}
