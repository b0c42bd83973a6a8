import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Busboy } from "@fastify/busboy";
import type { Request } from "express";
import { ApiError, codes } from "./api-error.ts";
import { displayName } from "./datatypes.ts";
import type { WebContext } from "./web-context.ts";

/** A file part of a request, on disk and not yet a dataset. */
export interface ReceivedFile {
  /** Name of the form's field. */
  readonly field: string;
  /** As the client gave it: for display only. */
  readonly fileName: string;
  readonly path: string;
}

export interface Form {
  readonly fields: Readonly<Record<string, string>>;
  readonly files: readonly ReceivedFile[];
}

const mostFiles = 100;
const mostFields = 1_000;

/** Streams a multipart body to disk. Nothing stays behind when it fails or the client goes away. @throws ApiError */
export async function receiveForm(context: WebContext, request: Request): Promise<Form> {
  await mkdir(context.config.newFileDirectory, { recursive: true });
  const receiver = new Receiver(context);
  try {
    await receiver.read(request);
    return receiver;
  } catch (error) {
    await receiver.abandon();
    throw error;
  }
}

export async function discard(files: readonly ReceivedFile[]): Promise<void> {
  await Promise.all(files.map(({ path }) => rm(path, { force: true })));
}

class Receiver implements Form {
  readonly fields: Record<string, string> = Object.create(null) as Record<string, string>;
  readonly files: ReceivedFile[] = [];
  readonly #folder: string;
  readonly #maxUpload: number;
  readonly #maxField: number;
  readonly #abort = new AbortController();
  readonly #writes: Promise<void>[] = [];
  /** The first thing that went wrong. The rest of the body is read all the same: only then does the client read the answer. */
  #problem: unknown;

  constructor({ config }: WebContext) {
    this.#folder = config.newFileDirectory;
    this.#maxUpload = config.web.maxUploadBytes;
    this.#maxField = config.web.maxBodyBytes;
  }

  async read(request: Request): Promise<void> {
    try {
      await pipeline(request, this.#parser(request));
    } catch (error) {
      this.#fail(
        new ApiError(
          codes.invalid,
          `the form cannot be read: ${error instanceof Error ? error.message : String(error)}`,
        ),
      );
      // A part that ends in the middle never ends by itself.
      this.#abort.abort();
    }
    await Promise.all(this.#writes);
    if (this.#problem !== undefined) throw this.#problem;
  }

  async abandon(): Promise<void> {
    this.#abort.abort();
    await Promise.all(this.#writes);
    await discard(this.files);
  }

  #parser(request: Request): InstanceType<typeof Busboy> {
    const busboy = new Busboy({
      headers: { ...request.headers, "content-type": request.headers["content-type"] ?? "" },
      limits: {
        fileSize: this.#maxUpload,
        fields: mostFields,
        fieldSize: this.#maxField,
        files: mostFiles,
      },
    });
    busboy.on("field", (name, value, _nameTruncated, valueTruncated) => {
      if (valueTruncated) this.#tooLarge(`the field ${name} is larger than ${this.#maxField} bytes`);
      this.fields[name] = value;
    });
    busboy.on("file", (field, stream, fileName) => this.#write(field, stream, fileName));
    busboy.once("filesLimit", () => this.#tooLarge(`more than ${mostFiles} files in one request`));
    busboy.once("fieldsLimit", () => this.#tooLarge(`more than ${mostFields} fields in one request`));
    return busboy;
  }

  #write(field: string, stream: Readable, fileName: string): void {
    stream.once("limit", () =>
      this.#tooLarge(
        `the file ${displayName(fileName)} is larger than this server's limit of ${this.#maxUpload} bytes (max-upload-size)`,
      ),
    );
    if (this.#problem !== undefined) {
      stream.resume();
      return;
    }
    const path = join(this.#folder, `upload-${randomUUID()}`);
    this.files.push({ field, fileName, path });
    const { signal } = this.#abort;
    this.#writes.push(
      pipeline(stream, createWriteStream(path, { flags: "wx" }), { signal }).catch((error: unknown) => {
        stream.resume();
        this.#fail(error);
      }),
    );
  }

  #tooLarge(words: string): void {
    this.#fail(new ApiError(codes.tooLarge, words));
  }

  #fail(problem: unknown): void {
    const full = (problem as { code?: unknown }).code === "ENOSPC";
    this.#problem ??= full ? new ApiError(codes.noSpace, "there is no space left for uploads") : problem;
  }
}
