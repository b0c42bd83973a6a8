import {
  LineCounter,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  parseDocument,
  YAMLMap,
  YAMLSeq,
} from "yaml";
import type { Document, Node, Pair } from "yaml";
import { dottedPath } from "./faults.ts";
import type { Fault } from "./faults.ts";

/** A path into a document: map keys and list indexes (from 0). */
export type DocumentPath = readonly (string | number)[];

/** Where something stands in its file; both numbers start at 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A position in a document that was put together from several files. */
export interface FilePosition extends Position {
  readonly file: string;
}

/** A text (of YAML, or of XML in the same shape) read together with where everything in it stands. */
export interface PositionedDocument {
  /** Undefined where the syntax is broken. */
  readonly value: unknown;
  /** Syntax errors and duplicate keys. */
  readonly faults: readonly Fault[];
  /** Where the key or list item stands; if there is none, its nearest parent; undefined in an empty document. */
  position(path: DocumentPath): Position | FilePosition | undefined;
}

/**
 * Reads YAML 1.2 (a superset of JSON) with YAML 1.1's `<<` merges. It does not throw: whatever is wrong is in `faults`.
 *
 * @param options.repeatable says of which maps a key may be repeated, as uWSGI's own YAML reader allows: the values are
 *   then collected to one list. Elsewhere a duplicate key is a fault.
 */
export function parseYaml(
  text: string,
  file: string,
  options: { repeatable?: (path: DocumentPath) => boolean } = {},
): PositionedDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    merge: true,
    uniqueKeys: false,
    prettyErrors: false,
  });
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const faults: Fault[] = document.errors.map((error) => ({
    file,
    ...at(error.pos[0]),
    message: `not valid YAML: ${error.message}`,
  }));
  const broken = faults.length > 0;
  let value: unknown;
  if (!broken) {
    try {
      settleDuplicates(document.contents, [], options.repeatable ?? (() => false), (path, node) =>
        faults.push({
          file,
          ...positionOf(node, at),
          key: dottedPath(path),
          message: "the key occurs twice in the same map",
          remedy: "keep one of them",
        }),
      );
      value = document.toJS({ maxAliasCount: 100 });
    } catch (error) {
      // An alias that names no anchor, aliases that multiply without end, or nesting too deep for the stack.
      const message = error instanceof Error ? error.message : String(error);
      faults.push({ file, line: 1, column: 1, message: `not valid YAML: ${message}` });
    }
  }
  return { value, faults, position: (path) => findPosition(document, path, at) };
}

function settleDuplicates(
  node: unknown,
  path: (string | number)[],
  repeatable: (path: DocumentPath) => boolean,
  report: (path: DocumentPath, node: Node | null) => void,
): void {
  if (isSeq(node)) {
    node.items.forEach((item, index) => settleDuplicates(item, [...path, index], repeatable, report));
  }
  if (!isMap(node)) return;
  if (repeatable(path)) collectRepeated(node);
  const seen = new Set<string>();
  for (const pair of node.items) {
    const key = keyText(pair);
    const keyPath = [...path, key];
    if (seen.has(key) && key !== "<<") report(keyPath, isNode(pair.key) ? pair.key : null);
    seen.add(key);
    settleDuplicates(pair.value, keyPath, repeatable, report);
  }
}

/** Gathers the values of equal keys in one list at the place of the first. */
function collectRepeated(map: YAMLMap): void {
  const firsts = new Map<string, Pair>();
  const kept: Pair[] = [];
  for (const pair of map.items) {
    const first = firsts.get(keyText(pair));
    if (first === undefined) {
      firsts.set(keyText(pair), pair);
      kept.push(pair);
      continue;
    }
    const list = isSeq(first.value) ? first.value : new YAMLSeq();
    if (list !== first.value) {
      list.items.push(first.value);
      first.value = list;
    }
    if (isSeq(pair.value)) list.items.push(...pair.value.items);
    else list.items.push(pair.value);
  }
  map.items = kept;
}

function findPosition(
  document: Document.Parsed,
  path: DocumentPath,
  at: (offset: number) => Position,
): Position | undefined {
  let node: unknown = document.contents;
  let found = positionOf(node, at);
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair: Pair | undefined = node.items.find((candidate) => keyText(candidate) === String(step));
      if (pair === undefined) return found;
      found = positionOf(pair.key, at) ?? found;
      node = pair.value;
    } else if (isSeq(node) && typeof step === "number" && node.items[step] !== undefined) {
      node = node.items[step];
      found = positionOf(node, at) ?? found;
    } else {
      return found;
    }
  }
  return found;
}

function positionOf(node: unknown, at: (offset: number) => Position): Position | undefined {
  if (isPair(node)) return positionOf(node.key, at);
  if (!isNode(node) || !node.range) return undefined;
  return at(node.range[0]);
}

function keyText(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
}
