/**
 * The launcher: one small shell process per handler that forks a supervisor for each run, which is cheaper than any spawn from
 * Node. It reads a line per run from its standard input, answers each with the supervisor's pid, and ends when the handler does.
 *
 * A supervisor is a fork of the launcher, so it needs no program of its own. It outlives both. The protocol of a run directory:
 *
 * - `record` is made by the handler, filled with blanks: the bytes are reserved before the job starts, so that a disk that the
 *   job fills cannot prevent the record of its end. The supervisor writes into it in place: first who it is, at the end what
 *   became of the job, then the line `end`, without which the rest does not count.
 * - `alive` is a named pipe. The supervisor holds its reading end, the job's processes inherit its writing end (descriptor 7).
 *   The kernel closes both with their last holder, whatever ended it: opening the other end without waiting tells who is left,
 *   for the price of a system call, where a lock (flock) would need a process for each look.
 * - `started` is made exclusively: by the supervisor, which refuses when it is there, or by a handler that closes the run for
 *   good. Whoever made it decides whether the job runs. The pipe is held before, so that `started` without a holder is a
 *   supervisor that died.
 * - `supervisor.log` takes what the shell itself says. It names a death by signal there, which its status (137) does not tell
 *   apart from `exit 137`.
 *
 * The job runs in a session of its own, so that a signal to its group or session spares the supervisor. It gets descriptors 0, 1,
 * 2 and 7, an OOM score that offers it to the kernel before the handler, and default signal dispositions: a shell without job
 * control starts background processes with SIGINT and SIGQUIT ignored, and only bash can undo that itself.
 *
 * Argument: the folder for announcements.
 * Line: job id, name of the run, cgroups joined by `:` or `-`, shell of the job script, run directory; separated by tabs.
 */
export const launcherScript = `ends=$1 defaults=
command -v setsid > /dev/null || { echo "fault setsid (util-linux) is missing"; exit 69; }
if [ -z "\${BASH_VERSION:-}" ] && env --default-signal=INT true 2> /dev/null; then
  defaults='env --default-signal=INT,QUIT'
fi
for fd in /proc/self/fd/*; do
  fd=\${fd##*/}
  if [ "$fd" -gt 2 ] && { [ "$fd" -le 9 ] || [ -n "\${BASH_VERSION:-}" ]; }; then eval "exec $fd>&-"; fi
done 2> /dev/null

identify() {
  read -r stat < /proc/self/stat
  pid=\${stat%% *}
  set -f
  set -- \${stat##*) }
  start=\${20}
}

job() {
  exec 6>&- 9<&-
  [ -z "\${BASH_VERSION:-}" ] || trap - INT QUIT
  set -f
  IFS=:
  {
    echo 200 > /proc/self/oom_score_adj
    for group in $2; do [ "$group" = - ] || echo 0 > "$group/cgroup.procs"; done
  } 2> /dev/null
  unset IFS
  export GALAXY_JOB_RUN_DIRECTORY="$3"
  exec $defaults setsid "$4" "galaxy_$1.sh" > "galaxy_$1.o" 2> "galaxy_$1.e"
}

supervise() {
  trap : HUP TERM
  cd "$5" || exit 74
  exec 2> supervisor.log 6<> record 8<> alive 9< alive 7> alive 8<&-
  identify
  read -r boot < /proc/sys/kernel/random/boot_id
  read -r host < /proc/sys/kernel/hostname
  read -r began idle < /proc/uptime
  set -C
  if ! true > started; then
    [ -e started ] || { printf 'refused cannot make the file started\\nend\\n' >&6; true > "$ends/$2"; }
    exit 75
  fi 2> /dev/null
  set +C
  printf 'supervised %s %s %s %s %s\\nplaces %s\\t%s\\n' "$pid" "$start" "$boot" "$began" "$host" "$3" "$ends" >&6
  ( job "$1" "$3" "$5" "$4" )
  status=$?
  exec 7>&-
  read -r ended idle < /proc/uptime
  ending=exited
  if [ $status -gt 128 ] && [ -s supervisor.log ]; then ending=signalled; fi
  if [ $status -ne 0 ] && [ ! -e "galaxy_$1.e" ]; then ending=refused; fi
  long=$(( \${ended%.*} - \${began%.*} >= 5 ))
  if [ $long = 1 ]; then
    sync "galaxy_$1.o" "galaxy_$1.e" "galaxy_$1.ec" outputs/tool_stdout outputs/tool_stderr
  fi 2> /dev/null
  { printf '%s %s %s\\n' "$ending" "$status" "$ended"; times; printf 'end\\n'; } >&6
  if [ $long = 1 ]; then sync record; fi 2> /dev/null
  true > "$ends/$2"
}

while IFS='	' read -r id name groups shell directory; do
  if [ "$id" = reap ]; then
    jobs
    continue
  fi > /dev/null
  supervise "$id" "$name" "$groups" "$shell" "$directory" < /dev/null > /dev/null &
  echo "$name $!"
done
`;
