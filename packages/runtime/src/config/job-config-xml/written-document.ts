import type { Fault } from "../../faults.ts";
import type { DocumentPath, FilePosition, PositionedDocument } from "../../yaml-document.ts";

/** A value in the shape of YAML, and where each part of it was written. */
export interface Written {
  readonly at: FilePosition;
  readonly content: unknown;
}

/** A map to be filled. */
export class WrittenMap implements Written {
  readonly at: FilePosition;
  readonly content = new Map<string, Written>();

  constructor(at: FilePosition) {
    this.at = at;
  }

  /** Leaves out what is undefined. */
  set(key: string, value: Written | undefined): this {
    if (value !== undefined) this.content.set(key, value);
    return this;
  }
}

export class WrittenList implements Written {
  readonly at: FilePosition;
  readonly content: readonly Written[];

  constructor(at: FilePosition, content: readonly Written[]) {
    this.at = at;
    this.content = content;
  }
}

/** What readers of configuration take, as parseYaml gives it. */
export function documentOf(root: Written, faults: readonly Fault[]): PositionedDocument {
  return { value: valueOf(root), faults, position: (path) => positionOf(root, path) };
}

function valueOf(written: Written): unknown {
  if (written instanceof WrittenMap)
    return Object.fromEntries([...written.content].map(([key, value]) => [key, valueOf(value)]));
  if (written instanceof WrittenList) return written.content.map(valueOf);
  return written.content;
}

function positionOf(root: Written, path: DocumentPath): FilePosition {
  let found = root;
  for (const step of path) {
    const next =
      found instanceof WrittenMap
        ? found.content.get(String(step))
        : found instanceof WrittenList
          ? found.content[Number(step)]
          : undefined;
    if (next === undefined) break;
    found = next;
  }
  return found.at;
}
