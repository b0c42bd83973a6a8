import { hostname } from "node:os";
import { isAlive, ownIdentity, type GalaxyConfig } from "@galaxy-jobs/runtime";
import {
  ownProtocol,
  registerIncarnation,
  type Database,
  type LiveIncarnation,
} from "@galaxy-jobs/shared-db";
import { release } from "./release.ts";

/*
 * The protocol: who may act for a job, and what happens when that one dies.
 *
 * Incarnation. Each start of a handler is a row of handler_incarnation. A job that is claimed names the incarnation and a fence
 * that grows with every claim, adoption and return. Every write names (job, fence, states it may be in) and changes no row when
 * somebody else owns the job by now. So a write that comes late, from whoever was paused, cut off or thought dead, is void.
 *
 * Lease. An incarnation is live while its row is not ended. A thread renews the row's heartbeat each third of the lease
 * (lease/). Time is the database's: "older than its lease" is judged there, in the statement that acts on it. A handler measures
 * its own lease on its monotonic clock, from *before* it sent the heartbeat that was confirmed, so by the order of events its
 * own lease ends first. Without its lease it starts nothing and writes nothing (`untilWritten`, the loops) until a heartbeat is
 * confirmed again, or says that the row was ended: fenced. Then it lets everything be and ends with exit code 1. No clock of a
 * host takes part, so setting one changes nothing. (The monotonic clock stands still while a machine is suspended; such a
 * handler believes in its lease for a moment too long, and the fence and the closed run directory hold it back.)
 *
 * Take-over (take-over.ts). Whoever is live looks after the others. A lease that is over is ended by `update … where heartbeat
 * older than the lease`, under a lock on the row, and in the same transaction what that incarnation had only claimed goes back
 * to the name or tag that it was assigned to. A claim holds a key-share lock on its incarnation's live row, so it comes either
 * before a take-over, which then sees the claimed jobs, or after it, and then takes nothing. No claim is lost between the two.
 *
 * Nobody is judged for what keeps everybody from the database: a restart of the server begins all leases anew, and a handler
 * that was itself without its lease ends no other for the time of one.
 *
 * Adoption. What an ended incarnation had queued or started keeps its run directory `<job>.<run fence>`, and is taken with
 * SKIP LOCKED by any live handler that can see its run: on the same machine (same boot, or same host name after a reboot), or,
 * for cluster runners, in the same pool; in both cases only one that sees the same job_working_directory. The adopter asks the
 * runner what became of the run: ended (collect it), running (watch it), lost (fail it and say so), or never started (back to
 * the pool).
 *
 * Never twice. "Never started" has to be made true, since the old owner may only be paused between its queue statement and its
 * start. Its order is: make the directory (fails if it exists), fill it, check the lease, start. The adopter's order is: make
 * the directory if it is not there, close it (the runner's `recover`). Whoever makes the directory first decides: if the
 * adopter did, the old owner fails at making it, for ever, since the adopter leaves it there; if the old owner did, the start
 * meets a directory that is closed or gone, and refuses. The check of the lease only spares that effort.
 *
 * Late writes. The intent to run is in the row before anything of a run exists: `queued`, with the fence that names the run. It is
 * written by the claim itself where nothing had to be decided between the two. That a run has begun may be written later, up to
 * together with its end (state-writer.ts). Who adopts a job in between finds it queued, and asks the runner, as always.
 *
 * Poison. A job that was being prepared or started when its handler died is counted (job.handler_deaths), one that waited for its
 * turn is not, as far as its run directory tells. Such jobs are then taken one at a time by each handler, so that a bad one soon
 * dies alone and the others are cleared by their start. At job_poison_limit deaths it is not given back but failed.
 *
 * End. A handler that is stopped gives back what it has not started, leaves its runs or waits for them (handler_stop), and ends
 * its row; neighbours adopt at once what it left, or its next start does.
 *
 * Releases. Processes of two releases understand each other as far as the migrations say (shared-db/src/schema-compatibility.ts);
 * a handler that they shut out does not register.
 *
 * test/src/recovery/ runs this against real processes with kill -9 at every step, and as a simulation over thousands of seeds,
 * which finds the violation when one of these guards is taken out.
 */

/**
 * Makes this process the one holder of its server name.
 * @returns the id of its incarnation
 * @throws ServerNameTakenError when another live process has the name; NewerDatabaseError when the schema shuts this release out
 */
export async function registerHandler(
  database: Database,
  config: GalaxyConfig,
  { tags, runDirectoryId }: { readonly tags: readonly string[]; readonly runDirectoryId: string },
): Promise<number> {
  const { pid, startTime, bootId } = ownIdentity();
  const identity = {
    serverName: config.serverName,
    hostname: hostname(),
    bootId,
    pid,
    pidStartTime: startTime,
    tags,
    version: release,
    protocol: await ownProtocol(),
    leaseSeconds: config.handlerLease,
    runDirectoryId,
  };
  return registerIncarnation(database, identity, { isGone, poisonLimit: config.jobPoisonLimit });
}

/** Whether the present holder of a name is known to have ended: its process on this host is gone, or its lease is over. */
function isGone(holder: LiveIncarnation): boolean {
  if (holder.heartbeatAge > holder.leaseSeconds) return true;
  if (holder.hostname !== hostname()) return false;
  return !isAlive({ pid: holder.pid, startTime: holder.pidStartTime, bootId: holder.bootId });
}
