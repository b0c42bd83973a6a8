import fs from "node:fs";
import path from "node:path";
import { shownValue, suggestion, type Fault } from "../../faults.ts";
import { parseXml, type XmlAttribute, type XmlElement } from "../../xml-document.ts";
import type { FilePosition } from "../../yaml-document.ts";

/** Macros can double what they expand to with each step: a file may not grow beyond this. */
const MOST_ELEMENTS = 100_000;

interface Macro {
  readonly element: XmlElement;
  /** Names of its tokens, with their defaults; undefined: `expand` has to give a value. */
  readonly tokens: ReadonlyMap<string, string | undefined>;
  /** What stands before and after a token's name in capitals. */
  readonly quote: string;
}

interface Macros {
  readonly macros: Map<string, Macro>;
  readonly tokens: Map<string, string>;
}

/**
 * Expands the macros of a job_conf (Galaxy's macro language, as in tools): `<macros>` with `<import>` of files in the same
 * folder or below, `<xml name tokens token_…>` (or `<macro name>`), `<token name>`; `<expand macro …>` with what goes in for
 * `<yield/>` and `<yield name>`.
 *
 * @param file the file as it is opened; elements keep the place where they were written
 * @returns the root without `<macros>`
 */
export function expandMacros(root: XmlElement, file: string, report: (fault: Fault) => void): XmlElement {
  const known: Macros = { macros: new Map(), tokens: new Map() };
  for (const element of root.children.filter(({ name }) => name === "macros"))
    collect(element, file, [file], known, report);
  const budget = { left: MOST_ELEMENTS };
  const rest = { ...root, children: root.children.filter(({ name }) => name !== "macros") };
  const [expanded] = expand(rest, known, [], budget, report);
  if (budget.left <= 0) {
    report({ ...root.at, message: `the macros expand to more than ${MOST_ELEMENTS} elements` });
    return { ...root, children: [] };
  }
  return replaceTokens(expanded ?? rest, known.tokens);
}

function collect(
  section: XmlElement,
  file: string,
  within: readonly string[],
  known: Macros,
  report: (fault: Fault) => void,
): void {
  for (const element of section.children) {
    const name = element.attributes.get("name")?.value;
    const kind = element.name === "macro" ? (element.attributes.get("type")?.value ?? "xml") : element.name;
    if (kind === "import") importFile(element, file, within, known, report);
    else if (!["xml", "token"].includes(kind))
      report(
        faultAt(element.at, `unknown element <${element.name}> in <macros>`, [
          element.name,
          ["import", "macro", "xml", "token"],
        ]),
      );
    else if (name === undefined)
      report({ ...element.at, message: `<${element.name}> needs the attribute name` });
    else if (kind === "token") known.tokens.set(name, element.text);
    else known.macros.set(name, { element, ...tokensOf(element) });
  }
}

function importFile(
  element: XmlElement,
  file: string,
  within: readonly string[],
  known: Macros,
  report: (fault: Fault) => void,
): void {
  const folder = path.dirname(file);
  const imported = path.resolve(folder, element.text);
  if (element.text === "" || path.relative(folder, imported).startsWith("..")) {
    report({ ...element.at, message: "expected the name of a file in the same folder or below" });
    return;
  }
  if (within.includes(imported)) {
    report({ ...element.at, message: `${element.text} imports itself` });
    return;
  }
  let text: string;
  try {
    text = fs.readFileSync(imported, "utf8");
  } catch {
    report({ ...element.at, message: `cannot read the file ${imported}` });
    return;
  }
  const { root, faults } = parseXml(text, path.relative(process.cwd(), imported));
  faults.forEach(report);
  if (root === undefined) return;
  if (root.name === "macros") collect(root, imported, [...within, imported], known, report);
  else report({ ...root.at, message: `expected <macros>, got <${root.name}>` });
}

function tokensOf(element: XmlElement): Pick<Macro, "tokens" | "quote"> {
  const tokens = new Map<string, string | undefined>();
  for (const name of (element.attributes.get("tokens")?.value ?? "").split(","))
    if (name.trim() !== "") tokens.set(name.trim(), undefined);
  for (const [name, { value }] of element.attributes)
    if (name.startsWith("token_") && name !== "token_quote") tokens.set(name.slice("token_".length), value);
  return { tokens, quote: element.attributes.get("token_quote")?.value ?? "@" };
}

/** What an element becomes: itself with its children expanded, or for `<expand>` the content of the macro. */
function expand(
  element: XmlElement,
  known: Macros,
  within: readonly string[],
  budget: { left: number },
  report: (fault: Fault) => void,
): XmlElement[] {
  budget.left -= 1;
  if (budget.left <= 0) return [];
  const children = (of: XmlElement, inside: readonly string[]): XmlElement[] =>
    of.children.flatMap((child) => expand(child, known, inside, budget, report));
  if (element.name !== "expand") return [{ ...element, children: children(element, within) }];

  const name = element.attributes.get("macro");
  const macro = name === undefined ? undefined : known.macros.get(name.value);
  if (name === undefined) report({ ...element.at, message: "<expand> needs the attribute macro" });
  else if (macro === undefined)
    report(
      faultAt(name.at, `there is no macro ${shownValue(name.value)}`, [name.value, [...known.macros.keys()]]),
    );
  else if (within.includes(name.value))
    report({ ...name.at, message: `the macro ${name.value} expands to itself` });
  if (name === undefined || macro === undefined || within.includes(name.value)) return [];

  // What is put in for <yield> is written outside of the macro: it may expand the same macro once more.
  const given = children(element, within);
  const filled = replaceTokens(macro.element, tokenValues(element, macro, report));
  return fillYields(filled, given).children.flatMap((child) =>
    expand(child, known, [...within, name.value], budget, report),
  );
}

function tokenValues(element: XmlElement, macro: Macro, report: (fault: Fault) => void): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, fallback] of macro.tokens) {
    const value = element.attributes.get(name)?.value ?? fallback;
    if (value === undefined) report({ ...element.at, message: `the macro needs the attribute ${name}` });
    else values.set(macro.quote + name.toUpperCase() + macro.quote, value);
  }
  for (const [name, attribute] of element.attributes)
    if (name !== "macro" && !macro.tokens.has(name))
      report(faultAt(attribute.at, `the macro has no token ${name}`, [name, [...macro.tokens.keys()]]));
  return values;
}

/** Puts the children of `<expand>` in for `<yield/>`, and those of its `<token name="x">` for `<yield name="x"/>`. */
function fillYields(element: XmlElement, given: readonly XmlElement[]): XmlElement {
  const unnamed = given.filter(({ name }) => name !== "token");
  const children = element.children.flatMap((child): readonly XmlElement[] => {
    if (child.name !== "yield") return [fillYields(child, given)];
    const wanted = child.attributes.get("name")?.value;
    if (wanted === undefined) return unnamed;
    return given
      .filter(({ name, attributes }) => name === "token" && attributes.get("name")?.value === wanted)
      .flatMap((token) => token.children);
  });
  return { ...element, children };
}

function replaceTokens(element: XmlElement, tokens: ReadonlyMap<string, string>): XmlElement {
  if (tokens.size === 0) return element;
  const replace = (text: string): string => {
    let replaced = text;
    for (const [token, value] of tokens) replaced = replaced.replaceAll(token, () => value);
    return replaced;
  };
  const attributes = new Map(
    [...element.attributes].map(([name, { value, at }]): [string, XmlAttribute] => [
      name,
      { value: replace(value), at },
    ]),
  );
  return {
    ...element,
    attributes,
    text: replace(element.text),
    children: element.children.map((child) => replaceTokens(child, tokens)),
  };
}

function faultAt(at: FilePosition, message: string, [word, candidates]: [string, string[]]): Fault {
  return { ...at, message, ...suggestion(word, candidates) };
}
