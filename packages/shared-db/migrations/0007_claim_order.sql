-- The order in which waiting jobs are claimed: fair between users, at the cost of a plain index. See docs/claim-order.md.

alter table job
  add column priority smallint not null default 10,
  add column ticket bigint not null default 0,
  add constraint job_priority_range check (priority between 1 and 100);
comment on column job.priority is 'How little the job counts against its user''s turn: a ticket''s step is 10000 / priority.';
comment on column job.ticket is
  'Place in the queue that job.handler names, in its virtual time; lowest first. Jobs from before there were tickets have 0, and come first.';

drop index job_claim;
create index job_claim on job (handler, ticket, id) where state = 'new' and incarnation_id is null;
-- The last ticket of a user in a queue, for the next one. Partial like job_claim, so that no later change of a job costs an entry.
create index job_last_ticket on job (handler, user_id, ticket) where state = 'new' and incarnation_id is null;

create table pool_virtual_time (
  pool text not null,
  ticket bigint not null
);
comment on table pool_virtual_time is
  'How far each queue has come: the largest ticket of a pool counts. Claims add rows and wait for nobody; old rows are removed now and then.';
create index pool_virtual_time_newest on pool_virtual_time (pool, ticket);

-- Start-time fair queueing: a user who waits goes on behind their last job, one who comes back starts at the queue's virtual
-- time. Volatile on purpose: in a statement that adds many jobs, each call sees those that it has added already.
create function next_ticket(queue text, owner bigint, priority integer) returns bigint
language plpgsql volatile as $$
declare
  virtual_time bigint := coalesce((select max(t.ticket) from pool_virtual_time t where t.pool = queue), 0);
  last_ticket bigint;
begin
  if owner is null then
    select j.ticket into last_ticket from job j
    where j.handler = queue and j.user_id is null and j.ticket > virtual_time and j.state = 'new' and j.incarnation_id is null
    order by j.ticket desc limit 1;
  else
    select j.ticket into last_ticket from job j
    where j.handler = queue and j.user_id = owner and j.ticket > virtual_time and j.state = 'new' and j.incarnation_id is null
    order by j.ticket desc limit 1;
  end if;
  return greatest(virtual_time, last_ticket) + 10000 / priority;
end
$$;

-- Hot tables.
-- job: each job leaves four dead rows; 2 % of ten million would be 200,000 of them in front of the claim.
alter table job set (autovacuum_vacuum_scale_factor = 0.005, autovacuum_vacuum_threshold = 5000);
-- job_state_history: is only added to; the map of all-visible pages is kept by the insert setting of the first migration.
alter table job_state_history set (autovacuum_analyze_scale_factor = 0.05);
-- dataset: one update in a row's life, of columns without an index: room for it in the same page (HOT) and no new index entries.
alter table dataset set (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
-- history: its counter is updated with each output, HOT as long as the page has room.
alter table history set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);
-- handler_incarnation: few rows, each updated every few seconds.
alter table handler_incarnation set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
-- pool_virtual_time: one row counts, all others are dead soon.
alter table pool_virtual_time set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
