import type { Json } from "@galaxy-jobs/shared-db";
import type { Destination } from "@galaxy-jobs/runtime";

/** What a thread of rules is started with. */
export interface RuleThreadData {
  /** job_rules_directory. */
  readonly directory: string;
  readonly serverName: string;
  readonly destinations: Readonly<Record<string, Destination>>;
  readonly defaultDestination: string;
}

/** Which function decides. */
export interface RuleName {
  /** Names that it may have, the first that is there counts. */
  readonly functions: readonly string[];
  /** Undefined: the last of all modules that has it. */
  readonly module?: string | undefined;
}

/** What a rule may ask for by the name of a parameter, besides `app` and `rule_helper` (galaxy.md 3.9). */
export type RuleFacts = Readonly<Record<string, unknown>>;

export interface DecideQuestion {
  readonly kind: "decide";
  readonly rule: RuleName;
  readonly facts: RuleFacts;
  /** Seconds. */
  readonly timeout: number;
}

/** Is the function there, and does it ask for nothing that there is not? */
export interface LookQuestion {
  readonly kind: "look";
  readonly rule: RuleName;
  /** The names of the facts. */
  readonly facts: readonly string[];
}

export type ToThread =
  | (DecideQuestion & { readonly id: number })
  | (LookQuestion & { readonly id: number })
  | { readonly kind: "counted"; readonly call: number; readonly count: number }
  | { readonly kind: "uncounted"; readonly call: number; readonly message: string };

export interface CountQuery {
  readonly names?: readonly string[] | undefined;
  readonly states: readonly string[];
  readonly userEmail?: string | undefined;
}

export type FromThread =
  /** The modules are loaded. */
  | { readonly kind: "ready" }
  | { readonly kind: "answer"; readonly id: number; readonly answer: RuleAnswer }
  | { readonly kind: "count"; readonly call: number; readonly query: CountQuery };

export type RuleAnswer =
  | { readonly is: "result"; readonly result: Json }
  | { readonly is: "not-ready"; readonly message: string }
  | { readonly is: "mapping-error"; readonly message: string }
  /** Anything else that went wrong; `traceback` is for the administrator. */
  | { readonly is: "error"; readonly message: string; readonly traceback: string }
  | { readonly is: "missing"; readonly message: string }
  | { readonly is: "timeout" }
  | { readonly is: "found"; readonly where: string };
