// Health of a container: `node docker/health.mjs web [PORT]` asks the web tier whether it answers, `… handler NAME` asks the database
// whether the handler of that name (%h: this host) has given its sign of life.
import { execFileSync } from "node:child_process";
import { hostname } from "node:os";

/** Seconds. A handler gives a sign each few; its name is free for others after 15. */
const LONGEST_SILENCE = 30;

const [kind, name = ""] = process.argv.slice(2);
if (kind === "web") await checkWeb(name || "8080");
else checkHandler(name.replaceAll("%h", hostname()));

async function checkWeb(port) {
  const response = await fetch(`http://127.0.0.1:${port}/health/live`, {
    signal: AbortSignal.timeout(5_000),
  });
  if (!response.ok) fail(`the web tier answers ${response.status}`);
}

function checkHandler(serverName) {
  const listed = execFileSync("galaxyctl", ["handlers", "list", "--json"], {
    encoding: "utf8",
    timeout: 20_000,
  });
  const handler = JSON.parse(listed).find((found) => found.serverName === serverName);
  if (handler === undefined) fail(`the handler ${serverName} is not registered`);
  if ((handler.heartbeatAge ?? Infinity) > LONGEST_SILENCE)
    fail(`the handler ${serverName} gives no sign of life`);
}

function fail(reason) {
  console.error(reason);
  process.exit(1);
}
