import type { XmlElement } from "../../xml-document.ts";
import { paramsOf } from "./params.ts";
import { WrittenList, type WrittenMap } from "./written-document.ts";
import { attribute, attributes, childrenOf, type XmlReading } from "./xml-reading.ts";

/** `<handlers>` in the shape of `handling` (galaxy.md 2.1, 3.2). */
export function readHandlers(handlers: XmlElement, reading: XmlReading): WrittenMap {
  const sameName = [
    "max_grab",
    "ready_window_size",
    "default",
    "default_from_environ",
    "default_from_config",
  ];
  reading.check(handlers, { attributes: ["assign_with", ...sameName], children: ["handler"] });
  const handling = attributes(handlers, sameName).set("assign", attribute(handlers, "assign_with"));
  const all = childrenOf(handlers, "handler");
  if (all.length === 0) return handling;
  return handling.set(
    "processes",
    reading.mapBy(handlers.at, all, "id", (handler) => readHandler(handler, reading)),
  );
}

function readHandler(handler: XmlElement, reading: XmlReading): WrittenMap {
  reading.check(handler, { attributes: ["id", "tags"], children: ["plugin"] });
  const plugins = childrenOf(handler, "plugin");
  const map = attributes(handler, ["tags"]);
  if (plugins[0] === undefined) return map;
  const ids = plugins.flatMap((plugin) => {
    reading.check(plugin, { attributes: ["id"], children: [] });
    reading.required(plugin, "id");
    return attribute(plugin, "id") ?? [];
  });
  return map.set("plugins", new WrittenList(plugins[0].at, ids));
}

/** `<plugins>` in the shape of `runners` (galaxy.md 3.2, 3.4). */
export function readPlugins(plugins: XmlElement, reading: XmlReading): WrittenMap {
  reading.check(plugins, { attributes: ["workers"], children: ["plugin"] });
  return reading.mapBy(plugins.at, childrenOf(plugins, "plugin"), "id", (plugin) => {
    reading.check(plugin, { attributes: ["id", "type", "load", "workers", "enabled"], children: ["param"] });
    const type = reading.required(plugin, "type");
    if (type !== undefined && type !== "runner")
      reading.fault(plugin.at, `unknown type of plugin ${type}`, { remedy: 'write type="runner"' });
    const map = attributes(plugin, ["load", "workers", "enabled"]);
    // `dynamic` is no runner: a rule decides. There is nothing in it that would work.
    const works = plugin.attributes.get("id")?.value !== "dynamic";
    if (works && !map.content.has("workers")) map.set("workers", attribute(plugins, "workers"));
    for (const [id, param] of paramsOf(plugin, reading).content) {
      if (["load", "workers"].includes(id))
        reading.fault(param.at, `${id} is an attribute of <plugin>, not a parameter`);
      else map.set(id, param);
    }
    return map;
  });
}
