import { existsSync } from "node:fs";
import type { Destination, EnvironmentEntry } from "@galaxy-jobs/runtime";
import type { JobFiles } from "./job-directory.ts";

/** What job scripts and tool scripts are written for. */
export const shell = existsSync("/bin/bash") ? "/bin/bash" : "/bin/sh";

/**
 * The script of a job: environment, slots, the tool's command with its streams in files of their own, exit code file
 * (galaxy.md 4.8). It needs nothing but a POSIX shell.
 *
 * @param environmentSetupFile sourced before the destination's own environment
 */
export function jobScript(
  files: JobFiles,
  destination: Destination,
  environmentSetupFile: string | undefined,
): string {
  const slots = Number(destination.params["local_slots"] ?? 1);
  return [
    `#!${shell}`,
    `export HOME=${quote(files.home)} _GALAXY_JOB_HOME_DIR=${quote(files.home)}`,
    `export TMPDIR=${quote(files.tmp)} TMP=${quote(files.tmp)} TEMP=${quote(files.tmp)} _GALAXY_JOB_TMP_DIR=${quote(files.tmp)}`,
    ...(environmentSetupFile === undefined ? [] : [`. ${quote(environmentSetupFile)}`]),
    ...destination.env.map(environmentLine),
    slotsStatement(slots),
    `cd ${quote(files.working)} || exit 1`,
    `${shell} ${quote(files.toolScript)} > ${quote(files.toolStdout)} 2> ${quote(files.toolStderr)} < /dev/null`,
    `return_code=$?`,
    `echo $return_code > ${quote(files.exitCode)}`,
    `exit $return_code`,
    "",
  ].join("\n");
}

function environmentLine(entry: EnvironmentEntry): string {
  switch (entry.kind) {
    case "variable":
      return `${entry.name}=${entry.raw ? entry.value : quote(entry.value)}; export ${entry.name}`;
    case "file":
      return `. ${quote(entry.file)}`;
    case "execute":
      return entry.command;
  }
}

/** GALAXY_SLOTS in Galaxy's order: what a cluster gave, then what is configured, then 1. */
function slotsStatement(slots: number): string {
  return [
    `GALAXY_SLOTS_CONFIGURED=1`,
    `if [ -n "$SLURM_CPUS_ON_NODE" ]; then GALAXY_SLOTS=$SLURM_CPUS_ON_NODE`,
    `elif [ -n "$NSLOTS" ]; then GALAXY_SLOTS=$NSLOTS`,
    `elif [ -n "$NCPUS" ]; then GALAXY_SLOTS=$NCPUS`,
    `elif [ ${slots} -gt 1 ] || [ -n "\${GALAXY_SLOTS:-}" ]; then GALAXY_SLOTS=\${GALAXY_SLOTS:-${slots}}`,
    `else GALAXY_SLOTS=1; unset GALAXY_SLOTS_CONFIGURED; fi`,
    `export GALAXY_SLOTS`,
    `[ -z "\${GALAXY_SLOTS_CONFIGURED:-}" ] || export GALAXY_SLOTS_CONFIGURED`,
  ].join("\n");
}

/** A text as one word of the shell. */
export function quote(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
