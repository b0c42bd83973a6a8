/**
 * What Slurm runs: a shell process that owns the run, as the local runner's supervisor does. Arguments: the run directory, the
 * job's id, the shell of the job script. What a run directory says (run-record.ts reads it):
 *
 * - `begun.N` is made exclusively, N being how often Slurm started the job again. Whoever makes `begun.0` decides whether the
 *   run ever takes place: so a job that was submitted twice, or submitted by a handler that is dead by now, or whose deletion was
 *   faster, ends without having done anything. It names the Slurm job and the machine.
 * - `alive` is locked as long as any process of the job lives, where the file system has locks. That tells a run that Slurm
 *   has forgotten from one that is gone.
 * - `ended` is how the job script ended, written beside and renamed. A Slurm that shows a job as running for ever, as it does
 *   after it lost its latest state, is not believed against it.
 * - When Slurm ends the job, this shell outlives the job script for a moment and ends what is left of it, also what has left its
 *   session and its parents: it knows them by a mark in their environment. Slurm itself does that only where it has cgroups.
 * - `supervisor.log` takes what this shell itself says. It names a death by signal there, which its status (137) does not tell
 *   apart from `exit 137`.
 */
export const batchScript = `#!/bin/sh
if ! cd "$1"; then
  echo "the run directory $1 cannot be reached on $(uname -n)" >&2
  exit 74
fi
restart=\${SLURM_RESTART_COUNT:-0}
set -C
if [ -e cancelled ] || ! { echo "$SLURM_JOB_ID $(uname -n)" > "begun.$restart"; } 2> /dev/null; then
  echo "the run was begun by another job of Slurm, or cancelled before it began" >&2
  exit 75
fi
set +C
rm -f ended "galaxy_$2.ec"
exec 8>&2 2> supervisor.log 9>> alive
if command -v flock > /dev/null; then flock --shared --nonblock 9; fi
ending=exited terminated=
trap 'terminated=1' TERM
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
echo "$SLURM_JOB_ID $ending $status" > ended.new && mv ended.new ended
exit $status
`;
