import type { Caller } from "./web-context.ts";

/** Who asks, for the trail that an administrator's act leaves. */
export function actorOf(caller: Caller): string {
  return caller.user?.email ?? "bootstrap_admin_api_key";
}
