-- What each change of a job's state costs. docs/performance.md has the figures.

-- A history row is written by the statement that writes its job, and removed with it (purge-jobs.ts). To check that again took
-- a third of such a statement.
alter table job_state_history drop constraint job_state_history_job_id_fkey;

-- One index for what limits count instead of two. Those of a user are found by it; for the total of a destination all of it is
-- read, which is as long as there are jobs under way.
create index job_active on job (user_id, destination_id)
  where state in ('queued', 'running', 'deleting', 'stopping') and run_fence is not null;
drop index job_active_on_destination;
drop index job_active_of_user;
