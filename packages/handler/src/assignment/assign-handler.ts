import type { AssignmentMethodName, GalaxyConfig } from "@galaxy-jobs/runtime";
import { isConnectionError } from "@galaxy-jobs/shared-db";
import { findToolMapping, type MappedTool } from "../tool-mapping.ts";
import type { AssigningProcess, Assignment, AssignmentMethod } from "./assignment.ts";
import { dbPreassign } from "./db-preassign.ts";
import { dbSelf } from "./db-self.ts";
import { dbSkipLocked } from "./db-skip-locked.ts";
import { dbTransactionIsolation } from "./db-transaction-isolation.ts";
import { HandlerMap } from "./handler-map.ts";
import { memSelf } from "./mem-self.ts";
import { muleMessage } from "./mule-message.ts";
import { assignmentMethods } from "./process-role.ts";

const methods: Readonly<Record<AssignmentMethodName, AssignmentMethod>> = {
  "mem-self": memSelf,
  "db-self": dbSelf,
  "db-preassign": dbPreassign,
  "mule-message": muleMessage,
  "db-transaction-isolation": dbTransactionIsolation,
  "db-skip-locked": dbSkipLocked,
};

/** No configured method can serve a job: in Galaxy's words, with the reason. */
export class HandlerAssignmentError extends Error {
  override readonly name = "HandlerAssignmentError";
  constructor(toolId: string, configured: string | undefined, tried: readonly string[]) {
    const target = configured === undefined ? "" : `, which is mapped to ${configured},`;
    super(
      `Job handler assignment failed. No handler can be found for tool ${toolId}${target} with ${tried.join(", ")}: ` +
        `ask the administrator to see handling.assign and the handlers of job_conf`,
    );
  }
}

export type AssignerOptions = Omit<AssigningProcess, "handlers" | "serverName"> & {
  readonly config: GalaxyConfig;
};

/** Decides who handles new jobs, in the process that creates them. */
export class HandlerAssigner {
  readonly #config: GalaxyConfig;
  readonly #process: AssigningProcess;
  readonly #methods: readonly AssignmentMethod[];

  constructor({ config, ...rest }: AssignerOptions) {
    const warned = new Set<string>();
    this.#config = config;
    this.#process = {
      ...rest,
      serverName: config.serverName,
      handlers: new HandlerMap(config.jobs),
      warn: (message) => {
        if (warned.has(message)) return;
        warned.add(message);
        rest.warn(message);
      },
    };
    const hasFarm = rest.mules !== undefined;
    this.#methods = assignmentMethods(config, hasFarm).map((name) => methods[name]);
  }

  /**
   * An explicit handler id first, else each method in turn; a method that fails is passed over like one that cannot serve
   * (galaxy.md 2.3).
   * @param onTry told of each method in turn, with what came of it; undefined: passed over
   * @throws HandlerAssignmentError, and the database's error when it does not answer
   */
  async assign(
    tool: MappedTool,
    onTry?: (method: AssignmentMethodName, result: Assignment | undefined) => void,
  ): Promise<Assignment> {
    const { jobs } = this.#config;
    const configured = findToolMapping(jobs, tool)?.handler ?? jobs.defaultHandler;
    const inMemory = this.#methods[0]?.name === "mem-self" && this.#methods.length === 1;
    if (configured !== undefined && !inMemory && this.#process.handlers.hasId(configured))
      return { method: "direct", handler: configured, assignedHandler: configured };
    for (const method of this.#methods) {
      try {
        const assignment = await method.assign({ toolId: tool.id, configured }, this.#process);
        onTry?.(method.name, assignment);
        if (assignment !== undefined) return assignment;
      } catch (error) {
        if (isConnectionError(error)) throw error;
        onTry?.(method.name, undefined);
        this.#process.warn(
          `${method.name} failed: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }
    throw new HandlerAssignmentError(
      tool.id,
      configured,
      this.#methods.map(({ name }) => name),
    );
  }
}

/** How handlers take the jobs of their tags: by the first configured method that leaves it to them (galaxy.md 2.4). */
export function claimMethod(config: GalaxyConfig): NonNullable<AssignmentMethod["claim"]> {
  const names = config.jobs.assign ?? [];
  const first = names.map((name) => methods[name].claim).find((claim) => claim !== undefined);
  return first ?? dbSkipLocked.claim!;
}
