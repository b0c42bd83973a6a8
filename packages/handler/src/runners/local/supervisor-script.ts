/**
 * The supervisor of one local run: a small shell process in a session of its own that outlives the handler.
 *
 * It takes an exclusive lock on `supervisor.lock` (held as long as it lives: that is how anybody tells whether the run is under
 * way, never by a pid alone) and refuses to run twice for one directory. It says who it is in `started`, starts the job script
 * in another session, so that a signal to the job's group spares it, waits, and leaves `ended` with the exit status, written
 * beside and renamed so that nobody reads half of it. The lock's descriptor is closed for the job.
 */
export const supervisorScript = `cd "$1" || exit 74
exec 9>supervisor.lock || exit 74
flock -n 9 || exit 75
[ ! -e started ] || exit 75
read -r boot < /proc/sys/kernel/random/boot_id
read -r stat < /proc/$$/stat
set -f
start=$(set -- \${stat##*) }; echo "\${20}")
echo "$$ $start $boot" > started.new && mv started.new started || exit 74
setsid -w "$3" "galaxy_$2.sh" 9>&- > "galaxy_$2.o" 2> "galaxy_$2.e" < /dev/null
echo $? > ended.new && mv ended.new ended
`;
