import type { User } from "./api-types.ts";
import { request } from "./api.ts";
import { rememberSignIn, signInNeeded, user } from "./session.ts";

/** Asks who we are: the page's first call. */
export async function findUser(): Promise<void> {
  const answer = await request<User | null>("/api/whoami");
  if (answer) {
    user.value = answer;
    signInNeeded.value = false;
  } else signInNeeded.value = true;
}

/** Trades an API key for a session cookie. Throws ApiError when the key is refused. */
export async function signIn(key: string): Promise<void> {
  await request("/api/session", { method: "POST", body: { key, api_key: key } });
  rememberSignIn(true);
  await findUser();
}

export async function signOut(): Promise<void> {
  await request("/api/session", { method: "DELETE" });
  rememberSignIn(false);
  user.value = undefined;
  signInNeeded.value = true;
}
