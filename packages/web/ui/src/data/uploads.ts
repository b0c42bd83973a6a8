import { signal } from "@preact/signals";
import { readAnswer, request, unreachable, wordsOf } from "../api.ts";
import { tellChanged } from "../live-events.ts";

export interface Upload {
  readonly key: number;
  /** Which part of the page started it. */
  readonly place: string;
  readonly name: string;
  readonly size: number;
  readonly sent: number;
  readonly status: "waiting" | "sending" | "done" | "failed" | "cancelled";
  readonly problem?: string;
}

interface Answer {
  readonly outputs: readonly { readonly id: string }[];
}

/** Every upload of this visit; they go on while the reader moves through the page. */
export const uploads = signal<readonly Upload[]>([]);

const AT_ONCE = 2;
const running = new Map<number, XMLHttpRequest>();
const waiting: { key: number; file: File; done: (datasetId: string) => void }[] = [];
let lastKey = 0;

/** Queues a file; two are sent at a time. `done` gets the id of the new dataset. */
export function startUpload(file: File, place: string, done: (datasetId: string) => void = () => {}): void {
  lastKey += 1;
  uploads.value = [
    ...uploads.value,
    { key: lastKey, place, name: file.name, size: file.size, sent: 0, status: "waiting" },
  ];
  waiting.push({ key: lastKey, file, done });
  sendNext();
}

export function cancelUpload(key: number): void {
  const at = waiting.findIndex((each) => each.key === key);
  if (at >= 0) waiting.splice(at, 1);
  change(key, { status: "cancelled" });
  running.get(key)?.abort();
}

/** Pasted text as a dataset of that name. Throws ApiError. */
export async function uploadText(name: string, text: string): Promise<string> {
  const inputs = {
    "files_0|type": "upload_dataset",
    "files_0|url_paste": text,
    "files_0|NAME": name,
    "files_0|to_posix_lines": "Yes",
    file_type: "auto",
    dbkey: "?",
  };
  const answer = await request<Answer>("/api/tools", {
    method: "POST",
    body: { tool_id: "upload1", inputs },
  });
  tellChanged();
  return answer.outputs[0]?.id ?? "";
}

function sendNext(): void {
  while (running.size < AT_ONCE) {
    const next = waiting.shift();
    if (!next) return;
    send(next.key, next.file, next.done);
  }
}

/** XMLHttpRequest and not fetch, for it alone tells how much was sent. */
function send(key: number, file: File, done: (datasetId: string) => void): void {
  const call = new XMLHttpRequest();
  running.set(key, call);
  change(key, { status: "sending" });
  call.upload.addEventListener("progress", (event) =>
    change(key, { sent: Math.min(event.loaded, file.size) }),
  );
  call.addEventListener("load", () => {
    try {
      const answer = readAnswer<Answer>(call.status, call.responseText);
      change(key, { status: "done", sent: file.size });
      done(answer.outputs[0]?.id ?? "");
      tellChanged();
    } catch (error) {
      change(key, { status: "failed", problem: wordsOf(error) });
    }
  });
  call.addEventListener("error", () => change(key, { status: "failed", problem: unreachable().message }));
  call.addEventListener("loadend", () => {
    running.delete(key);
    sendNext();
  });
  call.open("POST", "/api/tools");
  call.setRequestHeader("accept", "application/json");
  call.send(formOf(file));
}

/** Small fields first: the server streams the file and must know by then what it is for. */
function formOf(file: File): FormData {
  const form = new FormData();
  form.append("tool_id", "upload1");
  form.append(
    "inputs",
    JSON.stringify({
      "files_0|type": "upload_dataset",
      "files_0|NAME": file.name,
      "files_0|to_posix_lines": null,
      file_type: "auto",
      dbkey: "?",
    }),
  );
  form.append("files_0|file_data", file, file.name);
  return form;
}

function change(key: number, fields: Partial<Upload>): void {
  uploads.value = uploads.value.map((each) =>
    each.key === key && each.status !== "cancelled" ? { ...each, ...fields } : each,
  );
}
