import { existsSync } from "node:fs";
import {
  readDestinationSettings,
  type Destination,
  type DestinationSettings,
  type EnvironmentEntry,
} from "@galaxy-jobs/runtime";
import type { JobFiles } from "./job-directory.ts";

/** What job scripts and tool scripts are written for, where their destination names no shell. */
export const shell = existsSync("/bin/bash") ? "/bin/bash" : "/bin/sh";

/**
 * The script of a job: environment, slots, memory, the tool's command with its streams in files of their own, exit code file
 * (galaxy.md 4.8). It needs nothing but a POSIX shell.
 *
 * @param environmentSetupFile sourced before the destination's own environment
 */
export function jobScript(
  files: JobFiles,
  destination: Destination,
  environmentSetupFile: string | undefined,
): string {
  const { settings } = readDestinationSettings(destination.params);
  const toolShell = destination.shell ?? shell;
  return [
    `#!${toolShell}`,
    `export HOME=${quote(files.home)} _GALAXY_JOB_HOME_DIR=${quote(files.home)}`,
    temporaryDirectory(files, settings),
    ...(environmentSetupFile === undefined ? [] : [`. ${quote(environmentSetupFile)}`]),
    ...destination.env.map(environmentLine),
    slotsStatement(settings.localSlots),
    `cd ${quote(files.working)} || exit 1`,
    memoryStatement,
    `${toolShell} ${quote(files.toolScript)} > ${quote(files.toolStdout)} 2> ${quote(files.toolStderr)} < /dev/null`,
    `return_code=$?`,
    `echo $return_code > ${quote(files.exitCode)}`,
    `exit $return_code`,
    "",
  ].join("\n");
}

/**
 * TMPDIR: the `tmp` of the run directory; with `tmp_dir: true` a new one there, an older one is kept as `tmp.<date>`; else what
 * the shell makes of the expression. A job without one does not start: it would fill the machine's /tmp.
 */
function temporaryDirectory({ tmp }: JobFiles, { tmpDir }: DestinationSettings): string {
  const own = quote(tmp);
  const refuse = `{ echo "the job has no directory for temporary files (tmp_dir of its destination)" >&2; exit 1; }`;
  const path =
    tmpDir === undefined
      ? [`_GALAXY_JOB_TMP_DIR=${own}`]
      : tmpDir === true
        ? [
            `_GALAXY_JOB_TMP_DIR=${own}`,
            `[ ! -e ${own} ] || mv ${own} ${own}."$(date +%Y%m%d-%H%M%S)"`,
            `mkdir ${own} || ${refuse}`,
          ]
        : [
            `_GALAXY_JOB_TMP_DIR=${tmpDir} || ${refuse}`,
            `[ -n "$_GALAXY_JOB_TMP_DIR" ] && mkdir -p "$_GALAXY_JOB_TMP_DIR" || ${refuse}`,
          ];
  const all = ["TMPDIR", "TMP", "TEMP"].map((name) => `${name}="$_GALAXY_JOB_TMP_DIR"`).join(" ");
  return [...path, `export _GALAXY_JOB_TMP_DIR ${all}`].join("\n");
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

/**
 * GALAXY_SLOTS in Galaxy's order: what a cluster gave, then what the environment or local_slots says, then 1, and in that case
 * only without GALAXY_SLOTS_CONFIGURED.
 */
function slotsStatement(slots: number): string {
  return [
    `GALAXY_SLOTS_CONFIGURED=1`,
    `if [ -n "\${SLURM_CPUS_ON_NODE:-}" ]; then GALAXY_SLOTS=$SLURM_CPUS_ON_NODE`,
    `elif [ -n "\${SLURM_NTASKS:-}" ] || [ -n "\${SLURM_CPUS_PER_TASK:-}" ]; then GALAXY_SLOTS=$(( \${SLURM_NTASKS:-1} * \${SLURM_CPUS_PER_TASK:-1} ))`,
    `elif [ -n "\${NSLOTS:-}" ]; then GALAXY_SLOTS=$NSLOTS`,
    `elif [ -n "\${NCPUS:-}" ]; then GALAXY_SLOTS=$NCPUS`,
    `elif [ -n "\${PBS_NCPUS:-}" ]; then GALAXY_SLOTS=$PBS_NCPUS`,
    `elif [ -f "\${PBS_NODEFILE:-}" ]; then GALAXY_SLOTS=$(( $(wc -l < "$PBS_NODEFILE") ))`,
    `elif [ -n "\${LSB_DJOB_NUMPROC:-}" ]; then GALAXY_SLOTS=$LSB_DJOB_NUMPROC`,
    `elif [ ${slots} -gt 1 ] || [ -n "\${GALAXY_SLOTS:-}" ]; then GALAXY_SLOTS=\${GALAXY_SLOTS:-${slots}}`,
    `else GALAXY_SLOTS=1; unset GALAXY_SLOTS_CONFIGURED; fi`,
    `export GALAXY_SLOTS`,
    `[ -z "\${GALAXY_SLOTS_CONFIGURED:-}" ] || export GALAXY_SLOTS_CONFIGURED`,
  ].join("\n");
}

/**
 * GALAXY_MEMORY_MB: what the destination's environment says, else what Slurm gave the job or Grid Engine each slot (h_vmem);
 * unset where none of them knows. From it or from GALAXY_MEMORY_MB_PER_SLOT the other is reckoned.
 */
const memoryStatement = [
  `if [ -z "\${GALAXY_MEMORY_MB:-}" ] && [ -z "\${GALAXY_MEMORY_MB_PER_SLOT:-}" ]; then`,
  `  if [ -n "\${SLURM_JOB_ID:-}" ]; then`,
  `    GALAXY_MEMORY_MB=$(scontrol -do show job "$SLURM_JOB_ID" 2>/dev/null | sed -n 's/.*[[:space:]]Mem=\\([0-9][0-9]*\\).*/\\1/p' | head -n 1)`,
  `  elif [ -n "\${SGE_HGR_h_vmem:-}" ]; then`,
  `    case "$SGE_HGR_h_vmem" in`,
  `      *[Gg]) GALAXY_MEMORY_MB_PER_SLOT=$(echo "$SGE_HGR_h_vmem" | awk '{ printf "%d", $1 * 1024 }') ;;`,
  `      *[Mm]) GALAXY_MEMORY_MB_PER_SLOT=$(echo "$SGE_HGR_h_vmem" | awk '{ printf "%d", $1 }') ;;`,
  `      *[Kk]) GALAXY_MEMORY_MB_PER_SLOT=$(echo "$SGE_HGR_h_vmem" | awk '{ printf "%d", $1 / 1024 }') ;;`,
  `      *) GALAXY_MEMORY_MB_PER_SLOT=$(echo "$SGE_HGR_h_vmem" | awk '{ printf "%d", $1 / 1048576 }') ;;`,
  `    esac`,
  `  fi`,
  `fi`,
  `if [ "\${GALAXY_MEMORY_MB:-0}" -gt 0 ] 2>/dev/null; then`,
  `  export GALAXY_MEMORY_MB GALAXY_MEMORY_MB_PER_SLOT="\${GALAXY_MEMORY_MB_PER_SLOT:-$(( GALAXY_MEMORY_MB / GALAXY_SLOTS ))}"`,
  `elif [ "\${GALAXY_MEMORY_MB_PER_SLOT:-0}" -gt 0 ] 2>/dev/null; then`,
  `  export GALAXY_MEMORY_MB_PER_SLOT GALAXY_MEMORY_MB=$(( GALAXY_MEMORY_MB_PER_SLOT * GALAXY_SLOTS ))`,
  `else`,
  `  unset GALAXY_MEMORY_MB GALAXY_MEMORY_MB_PER_SLOT`,
  `fi`,
].join("\n");

/** A text as one word of the shell. */
export function quote(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
