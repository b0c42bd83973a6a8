import type { XmlElement } from "../../xml-document.ts";
import { paramsOf } from "./params.ts";
import { WrittenList, WrittenMap, type Written } from "./written-document.ts";
import { attribute, attributes, childrenOf, textOf, type XmlReading } from "./xml-reading.ts";

const SAME_NAME = ["runner", "tags", "shell", "enabled", "metrics", "url"];

/** `<destinations>` in the shape of `execution` (galaxy.md 3.2, 3.3). */
export function readDestinations(destinations: XmlElement, reading: XmlReading): WrittenMap {
  const defaults = ["default", "default_from_environ", "default_from_config"];
  reading.check(destinations, { attributes: defaults, children: ["destination"] });
  return attributes(destinations, defaults).set(
    "environments",
    reading.mapBy(destinations.at, childrenOf(destinations, "destination"), "id", (destination) =>
      readDestination(destination, reading),
    ),
  );
}

function readDestination(destination: XmlElement, reading: XmlReading): Written {
  reading.check(destination, {
    attributes: ["id", ...SAME_NAME],
    children: ["param", "env", "resubmit", "job_metrics"],
  });
  const [metrics] = childrenOf(destination, "job_metrics");
  const params = paramsOf(destination, reading);
  // In XML, and only there, Docker is called by sudo unless told otherwise (galaxy.md 3.2).
  if (params.content.has("docker_enabled") && !params.content.has("docker_sudo"))
    params.set("docker_sudo", { at: destination.at, content: "true" });
  return attributes(destination, SAME_NAME)
    .set("metrics", metrics === undefined ? attribute(destination, "metrics") : inElement(metrics))
    .set("params", params)
    .set(
      "env",
      listOf(destination, "env", (env) => readEnv(env, reading)),
    )
    .set(
      "resubmit",
      listOf(destination, "resubmit", (rule) => readResubmit(rule, reading)),
    );
}

function inElement(metrics: XmlElement): Written {
  return new WrittenMap(metrics.at).set("src", { at: metrics.at, content: "xml_element" });
}

function listOf(
  parent: XmlElement,
  name: string,
  read: (child: XmlElement) => Written,
): WrittenList | undefined {
  const children = childrenOf(parent, name);
  return children[0] === undefined ? undefined : new WrittenList(children[0].at, children.map(read));
}

/** `<env id>value</env>`, `<env file="…"/>` or `<env exec="…"/>`. */
function readEnv(env: XmlElement, reading: XmlReading): Written {
  const kinds = ["id", "file", "exec"];
  reading.check(env, { attributes: [...kinds, "raw", "type"], children: [], text: true });
  const given = kinds.filter((kind) => env.attributes.has(kind));
  if (given.length !== 1) reading.fault(env.at, "<env> needs one of the attributes id, file and exec");
  const [kind] = given;
  if (kind !== "id" && env.text !== "") reading.fault(env.at, "<env> with a file or exec has no text");
  const map = attributes(env, ["type"]);
  if (kind === "file") return map.set("file", attribute(env, "file"));
  if (kind === "exec") return map.set("execute", attribute(env, "exec"));
  return map.set("name", attribute(env, "id")).set("value", textOf(env)).set("raw", attribute(env, "raw"));
}

function readResubmit(rule: XmlElement, reading: XmlReading): Written {
  const keys = ["condition", "environment", "destination", "handler", "delay"];
  reading.check(rule, { attributes: keys, children: [] });
  return attributes(rule, keys);
}
