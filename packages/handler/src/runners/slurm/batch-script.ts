import { quote } from "../../job-script.ts";
import type { PreparedRun } from "../runner.ts";

/**
 * What Slurm runs: a shell process that owns the run, as the local runner's supervisor does. sbatch reads it from its standard
 * input, so that a submission costs no file. What a run directory says (run-record.ts reads it):
 *
 * - `begun.0` is made exclusively and names the Slurm job and the machine. Whoever makes it has the run: so a job that was
 *   submitted twice, or submitted by a handler that is dead by now, or whose deletion was faster, ends without having done
 *   anything. `begun.N` is the same for each time that Slurm starts that job again (SLURM_RESTART_COUNT).
 * - `alive` is locked as long as any process of the job lives, where the file system has locks. That tells a run that Slurm
 *   has forgotten from one that is gone. A job that is started again waits for the processes of its earlier start, which a node
 *   that Slurm has given up may still have: ten minutes at most, then it ends without having done anything.
 * - `ended` is how the job script ended, written beside and renamed. A Slurm that shows a job as running for ever, as it does
 *   after it lost its latest state, is not believed against it. A run that ended well is not run again, whatever Slurm starts.
 * - `prepared` is the working directory before the tool ran: one that is run again begins with that, not with the leftovers.
 * - When Slurm ends the job, this shell outlives the job script for a moment and ends what is left of it, also what has left its
 *   session and its parents: it knows them by a mark in their environment. Slurm itself does that only where it has cgroups.
 * - `supervisor.log` takes what this shell itself says. It names a death by signal there, which its status (137) does not tell
 *   apart from `exit 137`.
 */
export function batchScript(run: PreparedRun, { shell, requeue }: BatchScriptOptions): string {
  const words = [run.directory, String(run.jobId), shell, requeue ? "requeue" : "once"];
  return `#!/bin/sh\nset -- ${words.map(quote).join(" ")}\n${body}`;
}

export interface BatchScriptOptions {
  /** Of the job script. */
  readonly shell: string;
  /** Whether Slurm may start the job again. */
  readonly requeue: boolean;
}

const body = `if ! cd "$1"; then
  echo "the run directory $1 cannot be reached on $(uname -n)" >&2
  exit 74
fi
restart=\${SLURM_RESTART_COUNT:-0}
claim() { ( set -C; echo "$SLURM_JOB_ID $(uname -n)" > "begun.$1" ) 2> /dev/null; }
owner=
if [ -e cancelled ]; then :
elif claim 0; then owner=$SLURM_JOB_ID
elif [ "$restart" -gt 0 ]; then read -r owner machine < begun.0
fi
if [ "$owner" != "$SLURM_JOB_ID" ] || ! { [ "$restart" -eq 0 ] || claim "$restart"; }; then
  echo "the run was begun by another job of Slurm, or cancelled before it began" >&2
  exit 75
fi
exec 8>&2 2> supervisor.log 9>> alive
if command -v flock > /dev/null; then
  waited=0
  while [ "$restart" -gt 0 ] && { flock -x -n 9; [ $? -eq 1 ]; }; do
    if [ $waited -ge 600 ]; then
      echo "processes of the run's earlier start are still alive" >&8
      exit 75
    fi
    waited=$((waited + 1))
    sleep 1
  done
  flock -s -n 9
fi
case $(cat ended 2> /dev/null) in
  *" terminated") ;;
  "$SLURM_JOB_ID exited 0 "*) exit 0 ;;
esac
rm -f ended "galaxy_$2.ec"
if [ "$4" = requeue ]; then
  if [ -e prepared ]; then rm -rf working && cp -a prepared working
  else cp -a working prepared.new && mv prepared.new prepared
  fi || { echo "the working directory cannot be prepared: $(cat supervisor.log)" >&8; exit 74; }
fi
ending=exited terminated=
trap 'terminated=" terminated"' TERM
( trap - TERM; export GALAXY_JOB_RUN_DIRECTORY="$1"; exec "$3" "galaxy_$2.sh" 2>&8 8>&- < /dev/null )
status=$?
if [ $status -gt 128 ] && [ -s supervisor.log ]; then ending=signalled; fi
survivors() {
  grep -lzxF -- "GALAXY_JOB_RUN_DIRECTORY=$1" /proc/[0-9]*/environ 2> /dev/null | sed 's|^/proc/||; s|/environ$||'
}
signal=TERM rounds=0
while [ -n "$terminated" ] && [ $rounds -lt 100 ]; do
  left=$(survivors "$1")
  [ -n "$left" ] || break
  [ $rounds -lt 5 ] || signal=KILL
  kill -$signal $left 2> /dev/null
  rounds=$((rounds + 1))
  sleep 0.1
done
echo "$SLURM_JOB_ID $ending $status $restart$terminated" > ended.new && mv ended.new ended
exit $status
`;
