import type { GalaxyConfig, Logger } from "@galaxy-jobs/runtime";
import type { Database, IdEncoder, UserRow } from "@galaxy-jobs/shared-db";
import type { HandlerAssigner } from "@galaxy-jobs/handler";
import type { ToolBox } from "@galaxy-jobs/tools";
import type { EventFeed } from "./event-feed.ts";
import type { Hints } from "./hints.ts";
import type { SubmitQueue } from "./submit-queue.ts";

/** What every route works with. */
export interface WebContext {
  readonly config: GalaxyConfig;
  readonly database: Database;
  readonly logger: Logger;
  readonly ids: IdEncoder;
  readonly toolBox: () => ToolBox;
  readonly feed: EventFeed;
  readonly hints: Hints;
  readonly submitQueue: SubmitQueue;
  readonly assigner: HandlerAssigner;
  readonly release: string;
  /** The number of its newest migration. */
  readonly protocol: number;
  /** Of this process, or of all of its tree, in Prometheus' text form. */
  readonly metrics: () => Promise<string>;
}

/** Who asks. The bootstrap key is an administrator without a user. */
export interface Caller {
  readonly user: UserRow | undefined;
  readonly isAdmin: boolean;
}
