import { Problem } from "../shell/problem.tsx";
import { Icon } from "../shell/icon.tsx";
import type { Loaded } from "../use-load.ts";
import { poolName, type Pool } from "./admin-types.ts";

/** The pools: a waiting job and nobody to take it is trouble. */
export function PoolList({ pools }: { pools: Loaded<Pool[]> }) {
  return (
    <section class="card" aria-labelledby="pools-title">
      <h2 id="pools-title">Pools</h2>
      {pools.error ? <Problem error={pools.error} retry={pools.reload} /> : null}
      {pools.data?.length === 0 ? <p class="quiet">No pool has handlers or jobs.</p> : null}
      <ul class="lines">
        {pools.data?.map((pool) => (
          <li key={pool.tag ?? ""}>
            <strong>{poolName(pool.tag)}</strong>
            <span>
              {pool.jobs_waiting} waiting{" · "}
              <Takers pool={pool} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Takers({ pool }: { pool: Pool }) {
  const taking = pool.handlers.filter((name) => !pool.drained.includes(name));
  if (pool.tag === null) return <>on their way</>;
  if (taking.length > 0) return <>{taking.join(", ")}</>;
  return (
    <span class={`badge tone-${pool.handlers.length === 0 ? "bad" : "held"}`}>
      <Icon name="warning" />
      {pool.handlers.length === 0 ? "no live handler" : "all handlers are drained"}
    </span>
  );
}
