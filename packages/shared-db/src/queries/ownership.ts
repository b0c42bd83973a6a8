import type { JobOwnership } from "../rows.ts";
import { bigintOid, type Sql } from "../sql.ts";

/** Jobs with their fences, as the two arrays that a statement for many jobs gives to `unnest`. */
export function ownershipArrays(sql: Sql, jobs: readonly JobOwnership[]) {
  return {
    ids: sql.array(
      jobs.map(({ id }) => id),
      bigintOid,
    ),
    fences: sql.array(
      jobs.map(({ fence }) => fence),
      bigintOid,
    ),
  };
}
