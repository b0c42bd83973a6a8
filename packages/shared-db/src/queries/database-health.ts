import type { Sql } from "../sql.ts";

/** Tables that are written for each job, or by each handler all the time. */
const hotTables = [
  "job",
  "job_state_history",
  "dataset",
  "history",
  "history_dataset_association",
  "job_to_input_dataset",
  "job_to_output_dataset",
  "handler_incarnation",
  "pool_virtual_time",
];

/** Who keeps rows that are dead from being removed: vacuum must leave what was alive for the oldest of these. */
export interface SnapshotHolder {
  readonly kind: "session" | "prepared transaction" | "replication slot" | "standby";
  /** Process id, transaction's or slot's name, or the standby's application name. */
  readonly name: string;
  /** Transactions begun since then; null for a session in a transaction that has no snapshot now. */
  readonly transactions: number | null;
  /** Since when, seconds; null where nobody knows. */
  readonly seconds: number | null;
  /** In words: who and from where. */
  readonly who: string;
  /** Of a session: active, idle in transaction, … */
  readonly state: string | null;
  /** Of a session: since its last statement, seconds. */
  readonly idleSeconds: number | null;
}

/** Oldest first. Of sessions only those of this database: others do not hold up its tables. */
export async function snapshotHolders(sql: Sql): Promise<SnapshotHolder[]> {
  return sql<SnapshotHolder[]>`
    select * from (
      select 'session' as kind, pid::text as name, greatest(age(backend_xmin), age(backend_xid))::int as transactions,
        extract(epoch from clock_timestamp() - xact_start)::float8 as seconds,
        concat_ws(' ', nullif(application_name, ''), 'as ' || usename, 'from ' || coalesce(host(client_addr), 'this machine')) as who,
        state, case when state like 'idle%' then extract(epoch from clock_timestamp() - state_change)::float8 end as idle_seconds
      from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and backend_type <> 'autovacuum worker' and xact_start is not null
        and (backend_xmin is not null or backend_xid is not null or state like 'idle in transaction%')
      union all
      select 'prepared transaction', gid, age(transaction)::int, extract(epoch from clock_timestamp() - prepared)::float8,
        'as ' || owner, null, null
      from pg_prepared_xacts where database = current_database()
      union all
      select 'replication slot', slot_name, greatest(age(xmin), age(catalog_xmin))::int, null,
        slot_type || case when active then ', in use' else ', not in use' end, null, null
      from pg_replication_slots where xmin is not null or catalog_xmin is not null
      union all
      select 'standby', application_name, age(backend_xmin)::int, null, 'from ' || coalesce(host(client_addr), 'this machine'), null, null
      from pg_stat_replication where backend_xmin is not null
    ) as holders
    order by transactions desc nulls last, seconds desc nulls last`;
}

export interface TableHealth {
  readonly name: string;
  readonly liveRows: number;
  /** Rows that are dead, as the statistics say, and not removed yet. */
  readonly deadRows: number;
  /** Autovacuum comes when there are more dead rows than this. */
  readonly vacuumAt: number;
  readonly lastVacuum: Date | null;
  readonly lastAnalyze: Date | null;
  /** Bytes without indexes, and of the indexes. */
  readonly tableBytes: number;
  readonly indexBytes: number;
}

export async function tableHealth(sql: Sql): Promise<TableHealth[]> {
  return sql<TableHealth[]>`
    select s.relname as name, s.n_live_tup as live_rows, s.n_dead_tup as dead_rows,
      greatest(s.last_vacuum, s.last_autovacuum) as last_vacuum, greatest(s.last_analyze, s.last_autoanalyze) as last_analyze,
      pg_table_size(c.oid) as table_bytes, pg_indexes_size(c.oid) as index_bytes,
      (coalesce(own.threshold, current_setting('autovacuum_vacuum_threshold')::float8)
        + coalesce(own.scale, current_setting('autovacuum_vacuum_scale_factor')::float8) * greatest(c.reltuples, 0))::bigint as vacuum_at
    from pg_stat_user_tables s join pg_class c on c.oid = s.relid
    cross join lateral (
      select max(split_part(option, '=', 2)::float8) filter (where option like 'autovacuum_vacuum_threshold=%') as threshold,
        max(split_part(option, '=', 2)::float8) filter (where option like 'autovacuum_vacuum_scale_factor=%') as scale
      from unnest(c.reloptions) as option
    ) as own
    where s.relid = any(array(select to_regclass(name) from unnest(${sql.array(hotTables)}::text[]) as name)::oid[])
    order by s.n_dead_tup desc, s.relname`;
}

export interface IndexHealth {
  readonly name: string;
  readonly table: string;
  readonly bytes: number;
  /** Entries, as the last vacuum or analyze has counted or guessed. */
  readonly entries: number;
  /** Not valid: left over by a REINDEX or CREATE INDEX CONCURRENTLY that failed. */
  readonly valid: boolean;
}

/** The indexes of the hot tables, and whatever index of this schema is not valid; largest first. */
export async function indexHealth(sql: Sql): Promise<IndexHealth[]> {
  return sql<IndexHealth[]>`
    select c.relname as name, t.relname as table, pg_relation_size(c.oid) as bytes, greatest(c.reltuples, 0)::bigint as entries,
      i.indisvalid as valid
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
    where t.oid = any(array(select to_regclass(name) from unnest(${sql.array(hotTables)}::text[]) as name)::oid[])
      or (not i.indisvalid and t.relnamespace = current_schema()::regnamespace)
    order by pg_relation_size(c.oid) desc, c.relname`;
}

export interface ServerHealth {
  /** e.g. 15.8 */
  readonly version: string;
  readonly autovacuum: boolean;
  /** Whether this role may see what the sessions of other roles do. */
  readonly seesAll: boolean;
}

export async function serverHealth(sql: Sql): Promise<ServerHealth> {
  const [row] = await sql<ServerHealth[]>`
    select current_setting('server_version') as version,
      current_setting('autovacuum')::boolean and current_setting('track_counts')::boolean as autovacuum,
      pg_has_role('pg_read_all_stats', 'usage') as sees_all`;
  return row!;
}
