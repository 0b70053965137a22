-- Sessions: a kernel, a command, a connection. `ordinal` counts them per user, in order of opening, for history requests.
create table session (
  tenant_id text not null references tenant (id),
  id text not null,
  user_id text not null,
  kind text not null,
  ordinal integer not null check (ordinal >= 1),
  opened_at text not null,
  seen_at text not null,
  primary key (tenant_id, id),
  unique (tenant_id, user_id, ordinal)
) strict;

-- Runs. A parent and a session are of the same tenant because the tenant is part of both foreign keys.
create table run (
  tenant_id text not null references tenant (id),
  id text not null,
  agent_id text not null,
  version text not null,
  spec_digest text not null,
  status text not null
    constraint run_status_is_known check (status in ('running', 'succeeded', 'failed', 'cancelled')),
  inputs text not null,
  output text,
  error text,
  input_tokens integer not null default 0,
  output_tokens integer not null default 0,
  cost_usd real not null default 0,
  model_calls integer not null default 0,
  tool_calls integer not null default 0,
  parent_id text,
  session_id text not null,
  started_by text not null,
  started_at text not null,
  ended_at text,
  primary key (tenant_id, id),
  foreign key (tenant_id, parent_id) references run (tenant_id, id),
  foreign key (tenant_id, session_id) references session (tenant_id, id),
  constraint run_has_an_end_when_it_ended check ((status = 'running') = (ended_at is null))
) strict;

create index run_newest on run (tenant_id, started_at, id);
create index run_newest_of_agent on run (tenant_id, agent_id, started_at, id);

-- The journal of a run: ordered, append-only, without gaps (the program checks continuity inside the appending
-- transaction). `at` and `body` are kept as the text that was written, because `hash` covers them.
create table journal (
  tenant_id text not null,
  run_id text not null,
  seq integer not null check (seq >= 0),
  kind text not null,
  at text not null,
  body text not null,
  hash text not null check (length(hash) = 64),
  primary key (tenant_id, run_id, seq),
  foreign key (tenant_id, run_id) references run (tenant_id, id)
) strict;

create trigger journal_is_append_only before update on journal
begin
  select raise(abort, 'the journal is append-only');
end;
