import { readDynamicRule, type Destination, type DynamicRule } from "@galaxy-jobs/runtime";
import { findUser, type Database } from "@galaxy-jobs/shared-db";
import { jobResources } from "@galaxy-jobs/tools";
import { misconfiguredInfo } from "../../stages/runner-of.ts";
import { readReturnedDestination } from "./returned-destination.ts";
import { ruleFailedInfo, type RuleDecision, type RuleRequest } from "./rule.ts";
import type { RuleAnswer, RuleFacts, RuleName } from "./rule-messages.ts";
import type { RuleThread } from "./rule-thread.ts";

type Script = DynamicRule & { readonly type: "javascript" };

/** A function of a module of job_rules_directory decides (galaxy.md 3.9). */
export async function askScript(
  rule: Script,
  thread: RuleThread,
  database: Database,
  request: RuleRequest,
): Promise<RuleDecision> {
  const name = nameOfRule(rule, request.tool.id);
  const facts = await factsOf(database, request);
  const answer = await thread.ask({ kind: "decide", rule: name, facts, timeout: rule.timeout });
  return decisionOf(answer, name.functions[0]!, rule, request);
}

/** By default the tool's id; where that cannot be a name in JavaScript, with `_` for what stands in the way. */
export function nameOfRule({ function: written, module }: Script, toolId: string): RuleName {
  const name = written ?? toolId;
  return { functions: [...new Set([name, name.replaceAll(/[^A-Za-z0-9_$]/g, "_")])], module };
}

/** Names of what a rule of this destination may ask for, besides `app` and `rule_helper`. */
export function factNames({ params }: Destination): string[] {
  return [...new Set([...Object.keys(params), ...ownFacts])];
}

const ownFacts = [
  "job_id",
  "tool",
  "tool_id",
  "job_wrapper",
  "referrer",
  "job",
  "user",
  "user_email",
  "resource_params",
  "workflow_invocation_uuid",
  "workflow_resource_params",
] as const;

async function factsOf(database: Database, { job, tool, inputs, referrer }: RuleRequest): Promise<RuleFacts> {
  const row = job.userId === null ? undefined : await findUser(database, job.userId);
  const user = row === undefined ? null : { id: row.id, email: row.email, username: row.username };
  const { [jobResources]: resources, ...params } = job.params;
  const facts = {
    job_id: job.id,
    user_id: job.userId,
    history_id: job.historyId,
    tool_id: tool.id,
    tool_version: tool.version,
    params,
    input_datasets: inputs.map(({ inputName, id, name, extension, fileSize }) => ({
      input_name: inputName,
      id,
      name,
      extension,
      file_size: fileSize ?? 0,
    })),
  };
  const own: Record<(typeof ownFacts)[number], unknown> = {
    job_id: job.id,
    tool: { id: tool.id, version: tool.version, name: tool.name ?? tool.id },
    tool_id: tool.id,
    job_wrapper: { job_id: job.id, tool_id: tool.id, user },
    referrer,
    job: { id: job.id, ...facts },
    user,
    user_email: user?.email ?? null,
    resource_params: chosenResources(resources),
    workflow_invocation_uuid: null,
    workflow_resource_params: {},
  };
  return { ...referrer.params, ...own };
}

function chosenResources(stored: unknown): Readonly<Record<string, unknown>> {
  if (typeof stored !== "object" || stored === null) return {};
  const { [`${jobResources}__select`]: select, ...fields } = stored as Record<string, unknown>;
  return select === "yes" ? fields : {};
}

function decisionOf(answer: RuleAnswer, name: string, rule: Script, request: RuleRequest): RuleDecision {
  const { referrer } = request;
  const said = `the rule ${name} of destination ${referrer.id}`;
  switch (answer.is) {
    case "result":
      return readResult(answer.result, said, request);
    case "not-ready":
      return { verdict: "wait", reason: `${said}: ${answer.message}` };
    case "mapping-error":
      return { verdict: "fail", info: answer.message };
    case "missing":
      return { verdict: "fail", info: misconfiguredInfo, traceback: `${said}: ${answer.message}` };
    case "timeout":
      return { verdict: "fail", info: `${capital(said)} did not answer within ${rule.timeout} seconds.` };
    case "error":
      return { verdict: "fail", info: ruleFailedInfo, traceback: `${said}: ${answer.traceback}` };
    case "found":
      throw new Error(`${said} was asked to decide and was only looked for`);
  }
}

function readResult(result: unknown, said: string, { referrer }: RuleRequest): RuleDecision {
  if (typeof result === "string") return { verdict: "to", to: result, reason: `${said} says ${result}` };
  const read = readReturnedDestination(result, referrer);
  if ("problem" in read)
    return { verdict: "fail", info: ruleFailedInfo, traceback: `${said} returned ${read.problem}` };
  return { verdict: "to", to: read.destination, reason: `${said} says ${read.destination.id}` };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The rule of a destination, if it is one of a script. */
export function scriptOf({ runner, params }: Destination): Script | undefined {
  if (runner !== "dynamic") return undefined;
  const { rule } = readDynamicRule(params);
  return rule?.type === "javascript" ? rule : undefined;
}
