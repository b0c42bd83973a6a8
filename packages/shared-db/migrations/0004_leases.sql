-- Leases of handlers, and what the jobs of a dead one need: who may adopt them, where they go back to, how often they killed.

alter table handler_incarnation
  add column lease_seconds double precision not null default 15,
  add column run_directory_id text not null default '',
  add column settled_time timestamptz,
  add constraint handler_incarnation_lease_is_positive check (lease_seconds > 0),
  add constraint handler_incarnation_settled_has_ended check (settled_time is null or end_time is not null);
comment on column handler_incarnation.lease_seconds is
  'Without a heartbeat for so long, by the database''s clock, anybody may end it and take over its jobs.';
comment on column handler_incarnation.run_directory_id is
  'Which job_working_directory it sees; who sees another one cannot tell what became of its jobs.';
comment on column handler_incarnation.settled_time is 'From then on it holds no job: nobody has to look at it again.';

update handler_incarnation set settled_time = now()
where end_time is not null and not exists (
  select from job where incarnation_id = handler_incarnation.id
    and state in ('new', 'queued', 'running', 'deleting', 'stopping', 'resubmitted'));
create index handler_incarnation_unsettled on handler_incarnation (id) where settled_time is null;
create index handler_incarnation_of_name on handler_incarnation (server_name, heartbeat_time desc);

alter table job
  add column assigned_tag text,
  add column handler_deaths integer not null default 0,
  add constraint job_handler_deaths_not_negative check (handler_deaths >= 0);
comment on column job.assigned_tag is
  'The tag that assigned_handler was chosen from; null where the handler was named by its id, or is itself a tag.';
comment on column job.handler_deaths is 'How often its handler died while it prepared the job.';

-- Jobs that wait for one handler of several: what fails over when it is dead.
create index job_preassigned on job (handler)
  where state in ('new', 'resubmitted') and incarnation_id is null and assigned_tag is not null and handler <> assigned_tag;
-- Jobs that may have killed a handler: taken one at a time.
create index job_suspect on job (id)
  where state in ('new', 'resubmitted') and incarnation_id is null and handler_deaths > 0;
