-- What the assignment of jobs to handlers, limits and resubmission need to know of a job.

alter table job
  add column wait_reason text,
  add column wait_reason_time timestamptz,
  add column resubmit_after timestamptz,
  add column wanted_destination text,
  add constraint job_wait_reason_length check (char_length(wait_reason) <= 1000),
  add constraint job_resubmitted_has_time check (state <> 'resubmitted' or resubmit_after is not null);
comment on column job.wait_reason is 'Why its handler has not started it yet, in words; stale once the job is queued.';
comment on column job.resubmit_after is 'A resubmitted job is dispatched from then on.';
comment on column job.wanted_destination is 'Id or tag that a resubmission chose; overrules the tool''s.';

-- The claim, in its order: new jobs, and resubmitted ones whose delay may have passed.
drop index job_claim;
create index job_claim on job (handler, id) where state in ('new', 'resubmitted') and incarnation_id is null;
-- Jobs whose assignment was a message that nobody has taken.
create index job_unassigned on job (id) where state = 'new' and handler is null;
-- What limits count: jobs that have a destination's slot. Jobs being ended hold it until their processes are gone.
create index job_active_on_destination on job (destination_id, user_id)
  where state in ('queued', 'running', 'deleting', 'stopping') and run_fence is not null;
create index job_active_of_user on job (user_id)
  where state in ('queued', 'running', 'deleting', 'stopping') and run_fence is not null;
-- total_walltime sums these.
create index job_ok_of_user on job (user_id, end_time) include (start_time) where state = 'ok';
