/** The parts of the administrator's answers that the page reads. */

export interface Handler {
  readonly server_name: string;
  readonly live: boolean;
  readonly hostname: string | null;
  readonly pid: number | null;
  readonly tags: readonly string[];
  readonly version: string | null;
  readonly heartbeat_age: number | null;
  readonly end_time: string | null;
  readonly end_reason: string | null;
  readonly drained: { readonly since: string; readonly by: string } | null;
  readonly jobs: {
    readonly claimed: number;
    readonly queued: number;
    readonly running: number;
    readonly ending: number;
    readonly assigned: number;
  };
}

export interface RemainingJob {
  readonly id: string;
  readonly tool_id: string;
  readonly state: string;
  readonly user_email: string | null;
  readonly held: boolean;
  readonly elapsed: number;
  readonly remaining: number | null;
  readonly handed_to: string | null;
}

export interface HandlerWithJobs extends Handler {
  readonly remaining: readonly RemainingJob[];
  readonly estimate: { readonly empty_in: number | null; readonly unknown: number; readonly stuck: number };
}

export interface Pool {
  readonly tag: string | null;
  readonly jobs_waiting: number;
  readonly handlers: readonly string[];
  readonly drained: readonly string[];
}

export interface AnybodysJob {
  readonly id: string;
  readonly tool_id: string;
  readonly state: string;
  readonly handler: string | null;
  readonly user_email: string | null;
  readonly create_time: string;
  readonly exit_code: number | null;
}

export interface MaintenanceRun {
  readonly task: string;
  readonly server_name: string;
  readonly start_time: string;
  readonly end_time: string | null;
  readonly outcome: string | null;
  readonly counts: Readonly<Record<string, number>>;
  readonly error: string | null;
}

export interface OperatorAction {
  readonly create_time: string;
  readonly actor: string;
  readonly action: string;
  readonly server_name: string | null;
  readonly job_id: string | null;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The pool of a tag, by the name that administrators write. */
export function poolName(tag: string | null): string {
  if (tag === null) return "messages to mules";
  return tag === "_default_" ? "job-handlers" : `job-handlers.${tag}`;
}

export function handlerUrl(name: string): string {
  return `/api/handlers/${encodeURIComponent(name)}`;
}
