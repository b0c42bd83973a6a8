import { fillTemplate as fill } from "./fill-template.ts";
import type { HostFacts, PlannedHandler } from "./host-facts.ts";

export type ProcessManager = "systemd" | "supervisor";
/** What files can be written for. */
export type DeployTarget = ProcessManager | "compose" | "nginx";

export interface RenderedFile {
  readonly name: string;
  readonly content: string;
  /** For its owner only, and never overwritten: people add to it. */
  readonly secret?: boolean;
}

/** The files of a process manager for a host. `systemd/` and `supervisor/` of the repository are these, for the host of the documentation. */
export function renderFiles(manager: ProcessManager, facts: HostFacts): RenderedFile[] {
  return manager === "systemd" ? systemdFiles(facts) : [supervisorFile(facts)];
}

function systemdFiles(facts: HostFacts): RenderedFile[] {
  const { handlers } = facts;
  const isNumbered = areNumbered(handlers);
  const instances = handlers.map(
    ({ serverName }, index) => `galaxy-handler@${isNumbered ? index : serverName}.service`,
  );
  const values = {
    ...words(facts),
    address: facts.address,
    pools: handlers[0]?.pools.join(",") ?? "job-handlers",
    serverName: isNumbered ? "handler%i" : "%i",
    instances: isNumbered
      ? "galaxy-handler@0 is the handler with the server name handler0, and so on."
      : "galaxy-handler@NAME is the handler with the server name NAME, as job_conf defines it.",
    handlerUnits: instances.length === 0 ? "galaxy-web.service" : instances.join(" "),
    webHardening: "",
  };
  const hardening = fill(
    facts.webHandlesJobs ? "systemd/web-that-runs-tools" : "systemd/web-hardening",
    values,
  );
  return ["galaxy.target", "galaxy-web.socket", "galaxy-web.service", "galaxy-handler@.service"].map(
    (name) => ({
      name,
      content: fill(`systemd/${name}`, { ...values, webHardening: hardening }),
    }),
  );
}

function supervisorFile(facts: HostFacts): RenderedFile {
  const values = words(facts);
  const { handlers } = facts;
  const programs: Record<string, string>[] = areNumbered(handlers)
    ? [
        {
          name: "handler",
          serverName: "handler%(process_num)s",
          count: String(handlers.length),
          poolFlags: flags(handlers[0]),
        },
      ]
    : handlers.map((handler) => ({
        name: handler.serverName,
        serverName: handler.serverName,
        count: "1",
        poolFlags: flags(handler),
      }));
  return {
    name: "galaxy.conf",
    content: fill("supervisor/galaxy.conf", {
      ...values,
      programs: programs
        .map((program) => fill("supervisor/handler-program", { ...values, ...program }))
        .join(""),
      names: programs.map(({ name }) => name).join(", "),
    }),
  };
}

function words(facts: HostFacts): Record<string, string> {
  const { root, config, bin, user, group, environmentDirectory, log, writable } = facts;
  return { root, config, bin, user, group, environmentDirectory, log, writable: writable.join(" ") };
}

/** handler0, handler1, … in the same pools: one template, or one program, is all of them. */
function areNumbered(handlers: readonly PlannedHandler[]): boolean {
  const pools = handlers[0]?.pools.join() ?? "";
  return (
    handlers.length > 0 &&
    handlers.every(
      (handler, index) => handler.serverName === `handler${index}` && handler.pools.join() === pools,
    )
  );
}

function flags(handler: PlannedHandler | undefined): string {
  return (handler?.pools ?? []).map((pool) => ` --attach-to-pool ${pool}`).join("");
}
