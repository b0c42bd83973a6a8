import { bullmq } from "./bullmq.ts";
import { graphileWorker } from "./graphile-worker.ts";
import { pgBoss } from "./pg-boss.ts";
import type { Peer } from "./peer.ts";

export const peers: readonly Peer[] = [graphileWorker, pgBoss, bullmq];

export function againstPeers(): string {
  return peers.map(({ name, version }) => `${name} ${version}`).join(", ");
}
