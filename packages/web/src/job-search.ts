import { jobSearchFields, type JobSearchTerm } from "@galaxy-jobs/shared-db";
import { ApiError, codes } from "./api-error.ts";

const fields: readonly string[] = jobSearchFields;

/**
 * Galaxy's search of the job list (galaxy.md 6.2): `tool:'x'`, `handler:'x'`, `runner:'x'`, for administrators `user:'x'`.
 * In quotes it is the whole value, without quotes a part of it; any other word is a part of the tool's id.
 * @throws ApiError for a field that cannot be searched
 */
export function parseJobSearch(search: string, isAdmin: boolean): JobSearchTerm[] {
  const terms = search.matchAll(/(?:(\w+):)?(?:'([^']*)'|"([^"]*)"|(\S+))/g);
  return Array.from(terms, ([, field = "tool", single, double, word]) => {
    if (!fields.includes(field))
      throw new ApiError(
        codes.invalid,
        `search: ${JSON.stringify(field)} cannot be searched; write tool:'…', handler:'…', runner:'…', user:'…' or words`,
      );
    if (field === "user" && !isAdmin)
      throw new ApiError(codes.adminOnly, "search: only administrators can search by user");
    const exact = single ?? double;
    return {
      field: field as JobSearchTerm["field"],
      text: exact ?? word!,
      exact: exact !== undefined,
    };
  });
}
