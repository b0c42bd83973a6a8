import type { Destination } from "@galaxy-jobs/runtime";
import type { JobInput, Json } from "@galaxy-jobs/shared-db";
import type { MappedTool } from "../../tool-mapping.ts";

/** What of a job a rule decides by. */
export interface RoutedJob {
  /** 0 for a job that is only thought of. */
  readonly id: number;
  readonly userId: number | null;
  readonly historyId: number | null;
  readonly params: Readonly<Record<string, Json>>;
}

export interface RuleRequest {
  readonly job: RoutedJob;
  readonly tool: MappedTool & { readonly name?: string };
  readonly inputs: readonly JobInput[];
  /** The dynamic destination whose rule is asked. */
  readonly referrer: Destination;
}

/** What a rule decided (galaxy.md 3.9). */
export type RuleDecision =
  /** An id or tag, or a destination of the rule's own; either may be dynamic again. */
  | { readonly verdict: "to"; readonly to: string | Destination; readonly reason: string }
  /** The job stays new and is tried again. */
  | { readonly verdict: "wait"; readonly reason: string }
  | { readonly verdict: "fail"; readonly info: string; readonly traceback?: string };

/** Counts jobs that have not ended, with those of this handler that are on their way to a destination. */
export interface JobCounter {
  /** @param names ids or tags; undefined: jobs of all destinations and of none */
  count(request: {
    readonly names?: readonly string[] | undefined;
    readonly states: readonly string[];
    readonly userEmail?: string | undefined;
  }): Promise<number>;
}

/** Galaxy's words for a rule that threw what it should not. */
export const ruleFailedInfo =
  "Encountered an unhandled exception while caching job destination dynamic rule.";
