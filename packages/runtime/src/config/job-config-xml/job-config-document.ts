import type { Fault } from "../../faults.ts";
import { parseXml, type XmlElement } from "../../xml-document.ts";
import type { PositionedDocument } from "../../yaml-document.ts";
import { readDestinations } from "./destinations.ts";
import { expandMacros } from "./expand-macros.ts";
import { readHandlers, readPlugins } from "./handlers.ts";
import { paramsOf } from "./params.ts";
import { documentOf, WrittenList, WrittenMap, type Written } from "./written-document.ts";
import { attribute, attributes, childrenOf, textOf, XmlReading } from "./xml-reading.ts";

/** The sections of XML and those of YAML that they become. */
const SECTIONS: Readonly<
  Record<string, { key: string; read: (element: XmlElement, reading: XmlReading) => Written }>
> = {
  plugins: { key: "runners", read: readPlugins },
  handlers: { key: "handling", read: readHandlers },
  destinations: { key: "execution", read: readDestinations },
  resources: { key: "resources", read: readResources },
  tools: { key: "tools", read: readTools },
  limits: { key: "limits", read: readLimits },
};

/**
 * Reads job_conf.xml (galaxy.md 3.2) as a document in the shape of its YAML form (3.3): what reads one reads both. It does
 * not throw; faults name the file they are in, which may be one that was imported.
 *
 * @param file where it lies: `<import>` looks there
 * @param shown its name in faults
 */
export function parseJobConfigXml(text: string, file: string, shown: string): PositionedDocument {
  const { root, faults } = parseXml(text, shown);
  if (root === undefined) return { value: undefined, faults, position: () => undefined };
  const report = (fault: Fault): number => faults.push(fault);
  const reading = new XmlReading(report);
  const document = new WrittenMap(root.at);
  if (root.name !== "job_conf") reading.fault(root.at, `expected <job_conf>, got <${root.name}>`);
  else {
    const expanded = expandMacros(root, file, report);
    reading.check(expanded, { attributes: [], children: Object.keys(SECTIONS) });
    for (const section of expanded.children) {
      const known = Object.hasOwn(SECTIONS, section.name) ? SECTIONS[section.name] : undefined;
      if (known === undefined) continue;
      if (document.content.has(known.key)) reading.fault(section.at, `<${section.name}> occurs twice`);
      else document.set(known.key, known.read(section, reading));
    }
  }
  return documentOf(document, faults);
}

function readResources(resources: XmlElement, reading: XmlReading): WrittenMap {
  reading.check(resources, { attributes: ["default"], children: ["group"] });
  const groups = reading.mapBy(resources.at, childrenOf(resources, "group"), "id", (group) => {
    reading.check(group, { attributes: ["id", "fields"], children: [], text: true });
    return attribute(group, "fields") ?? textOf(group);
  });
  return attributes(resources, ["default"]).set("groups", groups);
}

function readTools(tools: XmlElement, reading: XmlReading): WrittenList {
  reading.check(tools, { attributes: [], children: ["tool"] });
  const keys = ["id", "class", "handler", "environment", "destination", "resources", "priority"];
  return new WrittenList(
    tools.at,
    childrenOf(tools, "tool").map((tool) => {
      reading.check(tool, { attributes: keys, children: ["param"] });
      return attributes(tool, keys).set("params", paramsOf(tool, reading));
    }),
  );
}

function readLimits(limits: XmlElement, reading: XmlReading): WrittenList {
  reading.check(limits, { attributes: [], children: ["limit"] });
  const keys = ["type", "id", "tag", "window"];
  return new WrittenList(
    limits.at,
    childrenOf(limits, "limit").map((limit) => {
      reading.check(limit, { attributes: keys, children: [], text: true });
      return attributes(limit, keys).set("value", textOf(limit));
    }),
  );
}
