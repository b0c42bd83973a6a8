-- Why a job went where it went, where a rule decided it.

alter table job
  add column destination_reason text,
  add constraint job_destination_reason_length check (char_length(destination_reason) <= 1000);
comment on column job.destination_reason is 'How a dynamic destination came to destination_id, in words; null where no rule decided.';
