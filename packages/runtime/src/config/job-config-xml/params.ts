import type { XmlElement } from "../../xml-document.ts";
import { attribute, attributes, childrenOf, textOf, type XmlReading } from "./xml-reading.ts";
import { WrittenList, WrittenMap, type Written } from "./written-document.ts";

/**
 * `<param id from_environ from_config>text</param>`: a map by id. What names its value becomes
 * `{from_environ: …, default: text}`; a parameter with elements (`container`) becomes a list of maps.
 */
export function paramsOf(element: XmlElement, reading: XmlReading): WrittenMap {
  return reading.mapBy(element.at, childrenOf(element, "param"), "id", (param) => readParam(param, reading));
}

function readParam(param: XmlElement, reading: XmlReading): Written {
  if (param.children.length > 0) return new WrittenList(param.at, param.children.map(readContainer));
  reading.check(param, { attributes: ["id", "from_environ", "from_config"], children: [], text: true });
  const from = attributes(param, ["from_environ", "from_config"]);
  if (from.content.size === 0) return textOf(param);
  return param.text === "" ? from : from.set("default", textOf(param));
}

/** `<container type …>identifier</container>`; of other elements the name is the type. */
function readContainer(element: XmlElement): Written {
  const map = attributes(element, [...element.attributes.keys()]);
  if (attribute(element, "type") === undefined)
    map.set("type", { at: element.at, content: element.name === "container" ? "docker" : element.name });
  if (element.text !== "") map.set("identifier", textOf(element));
  return map;
}
