import type { Request, Response } from "express";
import type { UserRow } from "@galaxy-jobs/shared-db";
import type { z } from "zod";
import type { ReceivedFile } from "./receive-form.ts";
import type { Caller } from "./web-context.ts";

/** Who may call: anybody, anybody known, only somebody with a user of their own (not the bootstrap key), or an administrator. */
export type Access = "anybody" | "caller" | "user" | "admin";

export interface CallerOf {
  readonly anybody: undefined;
  readonly caller: Caller;
  readonly user: { readonly user: UserRow; readonly isAdmin: boolean };
  readonly admin: Caller;
}

/** An answer that is no JSON; the endpoint's function writes it. */
export interface RawAnswer {
  readonly contentType: string;
  readonly description: string;
}

export type Tag = "jobs" | "tools" | "datasets" | "histories" | "users" | "administration" | "service";
export type Method = "get" | "post" | "put" | "delete";

/** What one call takes and gives: it is validated by this, and the OpenAPI document is made of it. */
export interface Endpoint<
  A extends Access = Access,
  P extends z.ZodObject = z.ZodObject,
  Q extends z.ZodObject = z.ZodObject,
  B extends z.ZodType = z.ZodType,
  R extends z.ZodType | RawAnswer = z.ZodType | RawAnswer,
> {
  readonly tag: Tag;
  readonly summary: string;
  readonly description?: string;
  readonly access: A;
  /** Exactly the names in the path's braces. */
  readonly params?: P;
  readonly query?: Q;
  /** The JSON body. */
  readonly body?: B;
  /** A multipart form that may stand in the body's place: its fields, read as what `body` gives, and the name of a file part. */
  readonly form?: { readonly fields: z.ZodObject; readonly file: string };
  readonly answer: R;
  /** Statuses other than 200 that the answer can have, and when. */
  readonly statuses?: Readonly<Record<number, string>>;
}

/** One request to an endpoint, authenticated and checked. */
export interface Call<A extends Access, P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType> {
  readonly request: Request;
  readonly response: Response;
  readonly caller: CallerOf[A];
  readonly params: z.output<P>;
  readonly query: z.output<Q>;
  readonly body: z.output<B>;
  /** The file parts of a form; they are removed when the call is over, unless they were moved. */
  readonly files: readonly ReceivedFile[];
}

export type Answered<R> = R extends z.ZodType ? z.input<R> : void;
