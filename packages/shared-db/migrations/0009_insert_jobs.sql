-- New jobs are written by one call: a request waits for one answer of the server instead of six, and a job is there with all that belongs
-- to it or not at all. packages/shared-db/src/queries/insert-jobs.ts says what the parts of `wanted` are.
create function insert_jobs(wanted jsonb, paused_info text) returns table (made job, outputs jsonb)
language plpgsql volatile as $$
declare
  one record;
  first_state text;
  input_ids bigint[];
  is_queued boolean;
begin
  for one in
    select * from jsonb_to_recordset(wanted) as w (user_id bigint, history_id bigint, tool_id text, tool_version text,
      galaxy_version text, params jsonb, handler text, assigned_handler text, assigned_tag text, priority integer,
      inputs jsonb, outputs jsonb)
  loop
    first_state := 'new';
    if jsonb_array_length(one.inputs) > 0 then
      input_ids := array(select (i.value ->> 'id')::bigint from jsonb_array_elements(one.inputs) i);
      -- Until the job is there: whoever changes these datasets either is seen by the next statement or sees the job.
      perform d.id from dataset d join history_dataset_association a on a.dataset_id = d.id
      where a.id = any(input_ids) order by d.id for share of d;
      select case
          when bool_or(s.state in ('error', 'paused', 'failed_metadata')) then 'paused'
          when bool_or(s.state in ('new', 'upload', 'queued', 'running', 'setting_metadata')) then 'waiting'
          else 'new'
        end
      into first_state
      from history_dataset_association a join dataset_state s on s.dataset_id = a.dataset_id
      where a.id = any(input_ids);
    end if;
    is_queued := first_state = 'new' and one.handler is not null;
    -- The jobs of one user get their tickets one after the other. The next statement sees the jobs of whoever had the lock.
    if is_queued and one.user_id is not null then
      perform pg_advisory_xact_lock(hashtextextended('galaxy-jobs tickets of user ' || one.user_id, 0));
    end if;
    insert into job (user_id, history_id, tool_id, tool_version, galaxy_version, state, info, params, assigned_handler,
      assigned_tag, handler, priority, ticket)
    values (one.user_id, one.history_id, one.tool_id, one.tool_version, one.galaxy_version, first_state,
      case when first_state = 'paused' then paused_info end, one.params, one.assigned_handler, one.assigned_tag, one.handler,
      one.priority, case when is_queued then next_ticket(one.handler, one.user_id, one.priority) else 0 end)
    returning job.* into made;
    insert into job_state_history (job_id, state, info) values (made.id, made.state, made.info);
    if jsonb_array_length(one.inputs) > 0 then
      insert into job_to_input_dataset (job_id, dataset_id, name)
      select distinct made.id, i.id, i.name from jsonb_to_recordset(one.inputs) as i (id bigint, name text);
    end if;
    outputs := '[]';
    if jsonb_array_length(one.outputs) > 0 then
      with output as (
        select o.* from rows from (jsonb_to_recordset(one.outputs) as (name text, label text, extension text, visible boolean,
          uuid uuid)) with ordinality as o (name, label, extension, visible, uuid, place)
      ), counter as (
        update history h set hid_counter = hid_counter + jsonb_array_length(one.outputs), update_time = now()
        where h.id = one.history_id
        returning h.hid_counter - jsonb_array_length(one.outputs) as first_hid, h.user_id
      ), datasets as (
        insert into dataset (uuid, job_id, state) select o.uuid, made.id, 'new' from output o order by o.place
        returning dataset.id, dataset.uuid
      ), places as (
        insert into history_dataset_association (history_id, dataset_id, hid, name, extension, visible)
        select one.history_id, d.id, c.first_hid + o.place - 1, o.label, o.extension, o.visible
        from output o join datasets d on d.uuid = o.uuid cross join counter c order by o.place
        returning history_dataset_association.id, history_dataset_association.dataset_id, history_dataset_association.hid
      ), linked as (
        insert into job_to_output_dataset (job_id, dataset_id, name)
        select made.id, p.id, o.name from places p join datasets d on d.id = p.dataset_id join output o on o.uuid = d.uuid
      )
      select jsonb_agg(jsonb_build_object('id', p.id, 'dataset_id', p.dataset_id, 'hid', p.hid, 'user_id', c.user_id)
        order by p.hid)
      into outputs from places p cross join counter c;
    end if;
    return next;
  end loop;
end
$$;
