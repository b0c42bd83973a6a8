-- What is left of the attempts of a job that failed and were followed by another; the last attempt is in the job's own row.

create table job_attempt (
  job_id bigint not null references job,
  run_fence bigint not null,
  attempt integer not null,
  create_time timestamptz not null default now(),
  handler text not null,
  job_runner_name text,
  job_runner_external_id text,
  destination_id text,
  destination_params jsonb,
  start_time timestamptz,
  end_time timestamptz not null,
  cause text not null,
  info text,
  exit_code integer,
  job_messages jsonb,
  tool_stdout text,
  tool_stderr text,
  job_stdout text,
  job_stderr text,
  constraint job_attempt_key primary key (job_id, attempt),
  constraint job_attempt_counts_from_one check (attempt >= 1)
);
comment on column job_attempt.run_fence is 'The fence in the name of the run directory of this attempt.';
comment on column job_attempt.cause is 'What ended it, as conditions name it.';

-- Resubmitted jobs are claimed before new ones, when their time has come; those that wait do not stand in the way.
drop index job_claim;
create index job_claim on job (handler, id) where state = 'new' and incarnation_id is null;
create index job_claim_resubmitted on job (handler, resubmit_after, id) where state = 'resubmitted' and incarnation_id is null;
