import { hostname, userInfo } from "node:os";

/** Who gives a command, for the trail that it leaves. */
export function operator(): string {
  return `${accountName()}@${hostname()} (galaxyctl)`;
}

function accountName(): string {
  try {
    return userInfo().username;
  } catch {
    // An account without a name, as in some containers.
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}
