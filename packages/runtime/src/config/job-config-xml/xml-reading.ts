import { suggestion, type Fault } from "../../faults.ts";
import type { XmlElement } from "../../xml-document.ts";
import type { FilePosition } from "../../yaml-document.ts";
import { WrittenMap, type Written } from "./written-document.ts";

/** What the readers of job_conf.xml's elements share: each thing that is wrong is reported where it stands. */
export class XmlReading {
  readonly #report: (fault: Fault) => void;

  constructor(report: (fault: Fault) => void) {
    this.#report = report;
  }

  fault(at: FilePosition, message: string, remedy?: { remedy?: string }): void {
    this.#report({ ...at, message, ...remedy });
  }

  /** Reports attributes and elements that do not belong there, and text where there is none. */
  check(element: XmlElement, allowed: { attributes: string[]; children: string[]; text?: boolean }): void {
    for (const [name, { at }] of element.attributes)
      if (!allowed.attributes.includes(name))
        this.fault(
          at,
          `unknown attribute ${name} of <${element.name}>`,
          suggestion(name, allowed.attributes),
        );
    for (const { name, at } of element.children)
      if (!allowed.children.includes(name))
        this.fault(at, `unknown element <${name}> in <${element.name}>`, suggestion(name, allowed.children));
    if (allowed.text !== true && element.text !== "")
      this.fault(element.at, `text that belongs nowhere in <${element.name}>`);
  }

  /** The value of an attribute that there must be. */
  required(element: XmlElement, name: string): string | undefined {
    const value = element.attributes.get(name)?.value.trim();
    if (value !== undefined && value !== "") return value;
    this.fault(element.at, `<${element.name}> needs the attribute ${name}`);
    return undefined;
  }

  /** Children that are told apart by an attribute, as a map; one that occurs twice is a fault. */
  mapBy(
    at: FilePosition,
    children: readonly XmlElement[],
    attribute: string,
    read: (child: XmlElement) => Written | undefined,
  ): WrittenMap {
    const map = new WrittenMap(at);
    for (const child of children) {
      const id = this.required(child, attribute);
      if (id === undefined) continue;
      if (map.content.has(id)) this.fault(child.at, `<${child.name} ${attribute}="${id}"> occurs twice`);
      else map.set(id, read(child));
    }
    return map;
  }
}

/** The value of an attribute as it is; undefined where there is none. */
export function attribute(element: XmlElement, name: string): Written | undefined {
  const found = element.attributes.get(name);
  return found === undefined ? undefined : { at: found.at, content: found.value };
}

/** Attributes under the same names. */
export function attributes(element: XmlElement, names: readonly string[]): WrittenMap {
  const map = new WrittenMap(element.at);
  for (const name of names) map.set(name, attribute(element, name));
  return map;
}

export function childrenOf(element: XmlElement, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name);
}

/** The text of an element; nothing where it is empty, as in Galaxy. */
export function textOf(element: XmlElement): Written {
  return { at: element.at, content: element.text === "" ? null : element.text };
}
