import { createRequire } from "node:module";
import type * as Saxes from "saxes";
import type { Fault } from "./faults.ts";
import type { FilePosition } from "./yaml-document.ts";

/** An element as it was written. */
export interface XmlElement {
  readonly name: string;
  readonly at: FilePosition;
  readonly attributes: ReadonlyMap<string, XmlAttribute>;
  readonly children: readonly XmlElement[];
  /** The text directly in the element, without the white space around it. */
  readonly text: string;
}

export interface XmlAttribute {
  readonly value: string;
  /** Of its name. */
  readonly at: FilePosition;
}

const DEEPEST = 100;

/** Loaded with the first XML: its tables of characters take megabytes, and most instances have YAML. */
const load = createRequire(import.meta.url);

/**
 * Reads XML without document type and entities of its own: those could read other files, or grow without end. It does
 * not throw: the root is undefined where the syntax is broken, and the fault says where.
 */
export function parseXml(text: string, file: string): { root: XmlElement | undefined; faults: Fault[] } {
  const at = positionsIn(text, file);
  const faults: Fault[] = [];
  const open: { element: XmlElement; children: XmlElement[]; pieces: string[] }[] = [];
  let root: XmlElement | undefined;
  let attributes = new Map<string, XmlAttribute>();
  let tagAt = at(0);
  let mark = 0;
  const { SaxesParser } = load("saxes") as typeof Saxes;
  const parser = new SaxesParser({ position: false });
  /** Only the first: what follows a broken place is mostly noise. */
  const refuse = (message: string, where: FilePosition, remedy?: string): void => {
    if (faults.length === 0) faults.push({ ...where, message, ...(remedy === undefined ? {} : { remedy }) });
  };

  parser.on("error", ({ message }) => {
    if (message === "undefined entity.")
      refuse("not valid XML: an unknown entity", at(parser.position), "write the character itself, or &#…;");
    else refuse(`not valid XML: ${message.replace(/\.$/, "")}`, at(parser.position - 1));
  });
  parser.on("doctype", () =>
    refuse("a DOCTYPE and entities are not allowed", at(text.search(/<!DOCTYPE/i)), "remove them"),
  );
  parser.on("opentagstart", ({ name }) => {
    tagAt = at(parser.position - name.length - 2);
    attributes = new Map();
    mark = parser.position - 1;
  });
  parser.on("attribute", ({ name, value }) => {
    const blanks = /^\s*/.exec(text.slice(mark))?.[0].length ?? 0;
    attributes.set(name, { value, at: at(mark + blanks) });
    mark = parser.position;
  });
  parser.on("opentag", ({ name }) => {
    const children: XmlElement[] = [];
    if (open.length >= DEEPEST) refuse(`elements are nested more than ${DEEPEST} deep`, tagAt);
    open.push({ element: { name, at: tagAt, attributes, children, text: "" }, children, pieces: [] });
  });
  parser.on("closetag", () => {
    const closed = open.pop();
    if (closed === undefined) return;
    const element = { ...closed.element, text: closed.pieces.join("").trim() };
    const parent = open.at(-1);
    if (parent === undefined) root = element;
    else parent.children.push(element);
  });
  const addText = (piece: string): void => void open.at(-1)?.pieces.push(piece);
  parser.on("text", addText);
  parser.on("cdata", addText);
  parser.write(text).close();
  return { root: faults.length === 0 ? root : undefined, faults };
}

function positionsIn(text: string, file: string): (offset: number) => FilePosition {
  const starts = [0];
  for (let index = text.indexOf("\n"); index >= 0; index = text.indexOf("\n", index + 1))
    starts.push(index + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { file, line: low + 1, column: Math.max(1, offset - starts[low]! + 1) };
  };
}
