import { request } from "node:http";
import { startGalaxy, type Galaxy } from "./galaxy.ts";

/** What a server answered, whatever its status. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Parsed, where it is JSON. */
  readonly body: any;
}

export interface Asked {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends requests with one user's key. */
export interface ApiClient {
  readonly key: string | undefined;
  (path: string, asked?: Asked): Promise<Answer>;
}

/** @param key sent in the header x-api-key */
export function apiClient(address: string, key?: string): ApiClient {
  const call = async (path: string, { method, body, headers }: Asked = {}): Promise<Answer> => {
    const form = body instanceof FormData;
    const response = await fetch(`${address}${path}`, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers: {
        ...(body === undefined || form ? {} : { "content-type": "application/json" }),
        ...(key === undefined ? {} : { "x-api-key": key }),
        ...headers,
      },
      ...(body === undefined
        ? {}
        : { body: form ? body : typeof body === "string" ? body : JSON.stringify(body) }),
      redirect: "manual",
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: parsed(text) };
  };
  return Object.assign(call, { key });
}

/** A request with exactly these headers; fetch() has ideas of its own about Host, Origin and caches. */
export function rawRequest(
  address: string,
  path: string,
  {
    method = "GET",
    headers = {},
    body = "",
  }: { method?: string; headers?: Record<string, string>; body?: string },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(`${address}${path}`, { method, headers, timeout: 20_000 }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => (text += part));
      response.on("end", () =>
        resolve({
          status: response.statusCode!,
          headers: new Headers(response.headers as Record<string, string>),
          text,
          body: parsed(text),
        }),
      );
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An instance where people need keys: an administrator (by address), two users, and nobody. */
export interface SharedGalaxy {
  readonly galaxy: Galaxy;
  readonly bootstrap: ApiClient;
  readonly admin: ApiClient;
  readonly alice: ApiClient;
  readonly bob: ApiClient;
  readonly nobody: ApiClient;
  /** The users' ids. */
  readonly ids: { readonly admin: string; readonly alice: string; readonly bob: string };
}

export const bootstrapKey = "bootstrap-key-of-this-test";

export async function startSharedGalaxy(
  options: Parameters<typeof startGalaxy>[0] = {},
): Promise<SharedGalaxy> {
  const galaxy = await startGalaxy({
    ...options,
    galaxy: {
      single_user: undefined,
      // The case of the letters differs from the user's on purpose.
      admin_users: "Admin@Example.org",
      bootstrap_admin_api_key: bootstrapKey,
      ...options.galaxy,
    },
  });
  try {
    const bootstrap = apiClient(galaxy.address, bootstrapKey);
    const user = async (username: string) => {
      const made = await must(
        bootstrap("/api/users", { body: { email: `${username}@example.org`, username } }),
      );
      const key = await must(bootstrap(`/api/users/${made.id}/api_key`, { method: "POST" }));
      return { id: made.id as string, client: apiClient(galaxy.address, key) };
    };
    const [admin, alice, bob] = [await user("admin"), await user("alice"), await user("bob")];
    return {
      galaxy,
      bootstrap,
      admin: admin.client,
      alice: alice.client,
      bob: bob.client,
      nobody: apiClient(galaxy.address),
      ids: { admin: admin.id, alice: alice.id, bob: bob.id },
    };
  } catch (error) {
    await galaxy.stop();
    throw error;
  }
}

/** The body of an answer that has to be 200. */
export async function must(answer: Promise<Answer>): Promise<any> {
  const { status, text, body } = await answer;
  if (status !== 200) throw new Error(`${status}: ${text}`);
  return body;
}

/** Pastes a text as a dataset. @returns its id */
export async function paste(client: ApiClient, text: string, name = "pasted"): Promise<string> {
  const { outputs } = await must(
    client("/api/tools", {
      body: {
        tool_id: "upload1",
        inputs: { "files_0|url_paste": text, "files_0|NAME": name, file_type: "txt" },
      },
    }),
  );
  return outputs[0].id;
}

/** Submits a tool. @returns the job and the ids of its outputs */
export async function submit(
  client: ApiClient,
  tool: string,
  inputs: unknown,
): Promise<{ job: string; outputs: string[] }> {
  const { jobs, outputs } = await must(client("/api/tools", { body: { tool_id: tool, inputs } }));
  return { job: jobs[0].id, outputs: outputs.map(({ id }: { id: string }) => id) };
}
