/**
 * The thread that rules of one dynamic destination run on. The handler's own thread never runs them: a rule that hangs, throws
 * or ends its process harms this thread only, which `RuleThread` replaces.
 */
import { parentPort, workerData } from "node:worker_threads";
import { argumentsOf, UnknownArgumentError } from "./rule-arguments.ts";
import { RuleHelper } from "./rule-helper.ts";
import type {
  CountQuery,
  DecideQuestion,
  FromThread,
  LookQuestion,
  RuleAnswer,
  RuleThreadData,
  ToThread,
} from "./rule-messages.ts";
import { MissingRuleError, RuleModules } from "./rule-modules.ts";

const port = parentPort!;
const data = workerData as RuleThreadData;

/** The job fails with this message. */
class JobMappingException extends Error {
  override readonly name = "JobMappingException";
}

/** The job stays new with this message and is tried again. Galaxy's has the job's state before the message. */
class JobNotReady extends Error {
  override readonly name = "JobNotReady";
  constructor(stateOrMessage?: string, message?: string) {
    super(message ?? stateOrMessage ?? "the rule of its destination is not ready");
  }
}

// Rules lie outside of any package and so cannot import these.
Object.assign(globalThis, { JobMappingException, JobNotReady, JobNotReadyException: JobNotReady });

const counts = new Map<number, { resolve(count: number): void; reject(error: Error): void }>();
let calls = 0;

const helper = new RuleHelper(
  (query: CountQuery) =>
    new Promise((resolve, reject) => {
      calls += 1;
      counts.set(calls, { resolve, reject });
      port.postMessage({ kind: "count", call: calls, query } satisfies FromThread);
    }),
);

const app = {
  config: { server_name: data.serverName },
  job_config: {
    default_destination: data.defaultDestination,
    /** A copy, to be changed and returned; of a tag one at random. */
    get_destination(name: string) {
      const found = helper.choose_one(app.job_config.get_destinations(name));
      return structuredClone(found);
    },
    get_destinations(name: string) {
      const all = Object.values(data.destinations);
      const found = all.filter(({ id, tags }) => id === name || tags.includes(name));
      if (found.length === 0) throw new Error(`there is no destination ${name}`);
      return structuredClone(found);
    },
  },
};

// Once in the life of the thread: what changes in the files afterwards has no effect.
const modules = RuleModules.load(data.directory);
void modules.then(() => port.postMessage({ kind: "ready" } satisfies FromThread));

port.on("message", (message: ToThread) => {
  switch (message.kind) {
    case "decide":
      // The time of a rule begins when the modules are loaded.
      void modules
        .then((all) => withTimeout(decide(all, message), message.timeout))
        .then((answer) => reply(message.id, answer));
      return;
    case "look":
      void modules.then((all) => look(all, message)).then((answer) => reply(message.id, answer));
      return;
    case "counted":
      counts.get(message.call)?.resolve(message.count);
      counts.delete(message.call);
      return;
    case "uncounted":
      counts.get(message.call)?.reject(new Error(message.message));
      counts.delete(message.call);
  }
});

function reply(id: number, answer: RuleAnswer): void {
  port.postMessage({ kind: "answer", id, answer } satisfies FromThread);
}

async function decide(all: RuleModules, { rule: name, facts }: DecideQuestion): Promise<RuleAnswer> {
  try {
    const { rule } = all.find(name);
    const result = await rule(...argumentsOf(rule, { ...facts, app, rule_helper: helper }));
    if (result === undefined || result === null)
      throw new Error("the rule returned nothing; it returns an id or tag, or a destination");
    // Plain data: what has no JSON form cannot leave the thread.
    return { is: "result", result: JSON.parse(JSON.stringify(result)) };
  } catch (error) {
    return answerOf(error);
  }
}

async function look(all: RuleModules, { rule: name, facts }: LookQuestion): Promise<RuleAnswer> {
  try {
    const { rule, where } = all.find(name);
    argumentsOf(rule, Object.fromEntries([...facts, "app", "rule_helper"].map((fact) => [fact, undefined])));
    return { is: "found", where };
  } catch (error) {
    return answerOf(error);
  }
}

function answerOf(error: unknown): RuleAnswer {
  const { name, message, stack } = (
    typeof error === "object" && error !== null ? error : { message: String(error) }
  ) as { name?: unknown; message?: unknown; stack?: unknown };
  const said = String(message ?? "");
  // By name, so that a module may bring its own class.
  if (name === "JobNotReady" || name === "JobNotReadyException") return { is: "not-ready", message: said };
  if (name === "JobMappingException") return { is: "mapping-error", message: said };
  if (error instanceof MissingRuleError || error instanceof UnknownArgumentError)
    return { is: "missing", message: said };
  return { is: "error", message: said, traceback: typeof stack === "string" ? stack : said };
}

function withTimeout(answer: Promise<RuleAnswer>, seconds: number): Promise<RuleAnswer> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve({ is: "timeout" }), seconds * 1000);
    void answer.then((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}
