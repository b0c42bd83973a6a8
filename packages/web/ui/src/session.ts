import { signal } from "@preact/signals";
import type { User } from "./api-types.ts";

/** Set when a call was refused for want of a key; the page then asks for one. */
export const signInNeeded = signal(false);
/** Who is signed in; undefined until known. */
export const user = signal<User | undefined>(undefined);

const MARK = "galaxy-jobs.signed-in";

/** Whether this browser signed in with a key (then there is something to sign out of). */
export const signedInHere = signal(window.localStorage.getItem(MARK) !== null);

export function rememberSignIn(signedIn: boolean): void {
  if (signedIn) window.localStorage.setItem(MARK, "1");
  else window.localStorage.removeItem(MARK);
  signedInHere.value = signedIn;
}
