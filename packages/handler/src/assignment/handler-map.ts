import type { HandlerDefinition, JobConfig } from "@galaxy-jobs/runtime";
import { defaultTag } from "./assignment.ts";

/** The handlers of job_conf by id and by tag: two maps, so that an id never passes for a tag (galaxy.md 1.2). */
export class HandlerMap {
  readonly #byId: ReadonlyMap<string, HandlerDefinition>;
  readonly #byTag = new Map<string, string[]>();

  constructor(config: Pick<JobConfig, "handlers">) {
    this.#byId = new Map(config.handlers.map((handler) => [handler.id, handler]));
    for (const { id, tags } of this.#byId.values()) {
      for (const tag of new Set(tags.length > 0 ? tags : [defaultTag])) {
        this.#byTag.set(tag, [...(this.#byTag.get(tag) ?? []), id]);
      }
    }
  }

  get size(): number {
    return this.#byId.size;
  }

  hasId(name: string): boolean {
    return this.#byId.has(name);
  }

  /** The ids of a tag's handlers in the order of job_conf; empty for an unknown tag. */
  idsOf(tag: string): readonly string[] {
    return this.#byTag.get(tag) ?? [];
  }

  /** The tags of a handler; empty for one that job_conf does not define. */
  tagsOf(id: string): readonly string[] {
    const handler = this.#byId.get(id);
    if (handler === undefined) return [];
    return handler.tags.length > 0 ? handler.tags : [defaultTag];
  }
}
