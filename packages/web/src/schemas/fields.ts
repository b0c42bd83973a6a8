import { z } from "zod";

/** Galaxy's opaque ids (galaxy.md 6.1). */
export const encodedId = z
  .string()
  .regex(/^[0-9a-f]{32}$/, "is no id of this server")
  .meta({ example: "0123456789abcdef0123456789abcdef" });

/** A time in an answer: ISO 8601 in UTC, without a zone, as Galaxy writes them. */
export const time = z
  .string()
  .meta({ example: "2026-01-31T12:00:00.000", description: "UTC, without a zone" });

/** A text of a request as the database can hold it. */
export const text = (most: number) =>
  z
    .string()
    .max(most)
    .refine((value) => !/[\0\p{Surrogate}]/u.test(value), "must not hold a NUL or half a character");

/** A switch in a query. Python's clients write True. */
export const flag = z.stringbool().meta({ type: "boolean" });

/** A whole number in a query. `otherwise` is what it is when it is not given. */
export function wholeNumber(otherwise: number, { min = 0, max = Number.MAX_SAFE_INTEGER } = {}) {
  return z
    .string()
    .regex(/^\d{1,16}$/, "must be a whole number")
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be from ${min} to ${max}`)
    .default(otherwise)
    .meta({ type: "integer", minimum: min, maximum: max, default: otherwise });
}

/** A time in a query; one without a zone is UTC, as the times in answers are. */
export const moment = z
  .string()
  .regex(
    /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/,
    "must be a date or a time such as 2026-01-31T12:00:00",
  )
  .refine((value) => isDay(value.slice(0, 10)), "is no day of the calendar")
  .transform((value) => {
    const iso = value.replace(" ", "T");
    return new Date(/T.*(Z|[+-]\d{2}:?\d{2})$/.test(iso) || !iso.includes("T") ? iso : `${iso}Z`);
  })
  .refine((value) => !Number.isNaN(value.getTime()), "is no time of the day")
  .meta({ type: "string", example: "2026-01-31T12:00:00" });

/** JavaScript takes the 31st of February for the 3rd of March; PostgreSQL has no year 0. */
function isDay(day: string): boolean {
  const midnight = new Date(`${day}T00:00:00Z`);
  return (
    !day.startsWith("0000") && !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day)
  );
}

/** One value or several: `?state=ok&state=error`. `values` are all that there are, for the document. */
export const oneOrMore = <T extends z.ZodType<unknown, string>>(item: T, values?: readonly string[]) =>
  z
    .union([item, z.array(item)])
    .transform((value) => (Array.isArray(value) ? value : [value]) as z.output<T>[])
    .meta({
      type: "array",
      items: { type: "string", ...(values === undefined ? {} : { enum: [...values] }) },
    });

/** The body of every error (galaxy.md 6.1). */
export const errorAnswer = z
  .strictObject({
    err_msg: z.string(),
    err_code: z.int().meta({ description: "The status times 1000, plus a number." }),
    err_data: z
      .record(z.string(), z.string())
      .optional()
      .meta({ description: "For faulty inputs: the input's flat name and what is wrong with it." }),
  })
  .meta({ id: "Error" });
