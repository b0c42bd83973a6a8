import fs from "node:fs";
import path from "node:path";
import type { Fault } from "../faults.ts";
import { parseXml, type XmlElement } from "../xml-document.ts";
import { flag, number, text, WrongValue, type OptionKind } from "./option-kinds.ts";

/** A field that the run form of a tool with job resources offers (galaxy.md 3.2, 3.6). */
export type ResourceField = {
  readonly name: string;
  readonly label: string;
  readonly help: string;
} & (
  | {
      readonly type: "integer" | "float";
      readonly value?: number;
      readonly min?: number;
      readonly max?: number;
    }
  | { readonly type: "text"; readonly value?: string }
  | { readonly type: "boolean"; readonly value: boolean }
  | {
      readonly type: "select";
      readonly options: readonly {
        readonly value: string;
        readonly label: string;
        readonly selected: boolean;
      }[];
    }
);

const ATTRIBUTES = ["name", "type", "label", "help", "value", "min", "max", "size", "optional", "checked"];

/** Reads job_resource_params_conf.xml: `<parameters><param name type label help value min max><option value label/></param>`. */
export function readResourceFields(
  file: string,
  report: (fault: Fault) => void,
): Record<string, ResourceField> {
  const shown = path.relative(process.cwd(), file);
  const fields: Record<string, ResourceField> = {};
  let content: string;
  try {
    content = fs.readFileSync(file, "utf8");
  } catch (error) {
    report({
      file: shown,
      message: `cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    });
    return fields;
  }
  const { root, faults } = parseXml(content, shown);
  faults.forEach(report);
  for (const param of root?.children ?? []) {
    const field = param.name === "param" ? readField(param, report) : undefined;
    if (param.name !== "param")
      report({ ...param.at, message: `unknown element <${param.name}>`, remedy: "write <param>" });
    if (field === undefined) continue;
    if (Object.hasOwn(fields, field.name))
      report({ ...param.at, message: `the field ${field.name} occurs twice` });
    fields[field.name] = field;
  }
  return fields;
}

function readField(param: XmlElement, report: (fault: Fault) => void): ResourceField | undefined {
  const fault = (message: string, remedy?: string) =>
    report({ ...param.at, message, ...(remedy === undefined ? {} : { remedy }) });
  const get = <T>(key: string, kind: OptionKind<T>): T | undefined => {
    const value = param.attributes.get(key)?.value;
    if (value === undefined || value === "") return undefined;
    try {
      return kind.read(value);
    } catch (error) {
      if (!(error instanceof WrongValue)) throw error;
      fault(`${key}: ${error.message}`, error.remedy);
      return undefined;
    }
  };
  for (const key of param.attributes.keys())
    if (!ATTRIBUTES.includes(key)) fault(`unknown attribute ${key}`, `write one of ${ATTRIBUTES.join(", ")}`);
  const name = get("name", text);
  if (name === undefined || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    fault("a <param> needs a name of letters, digits and _");
    return undefined;
  }
  const common = { name, label: get("label", text) ?? name, help: get("help", text) ?? "" };
  const type = get("type", text) ?? "text";
  switch (type) {
    case "integer":
    case "float": {
      const kind = number({ min: Number.MIN_SAFE_INTEGER, whole: type === "integer" });
      const bounds = { value: get("value", kind), min: get("min", kind), max: get("max", kind) };
      const given = Object.entries(bounds).filter(([, value]) => value !== undefined);
      return { ...common, type, ...Object.fromEntries(given) };
    }
    case "boolean":
      return { ...common, type, value: get("value", flag) ?? get("checked", flag) ?? false };
    case "text": {
      const value = get("value", text);
      return { ...common, type, ...(value === undefined ? {} : { value }) };
    }
    case "select": {
      const options = param.children.map(({ attributes, text: written }) => {
        const value = attributes.get("value")?.value ?? written;
        return {
          value,
          label: attributes.get("label")?.value ?? (written === "" ? value : written),
          selected: attributes.get("selected")?.value.toLowerCase() === "true",
        };
      });
      if (options.length > 0) return { ...common, type, options };
      fault(`the field ${name} is a select without options`);
      return undefined;
    }
    default:
      fault(`unknown type of field ${type}`, "write integer, float, text, boolean or select");
      return undefined;
  }
}
