-- Sessions: a kernel, a command, a connection. `ordinal` counts them per user, in order of opening, for history requests.
create table session (
  tenant_id text collate "C" not null references tenant (id),
  id uuid not null,
  user_id text collate "C" not null,
  kind text not null,
  ordinal bigint not null check (ordinal >= 1),
  opened_at timestamptz not null,
  seen_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, user_id, ordinal)
);

alter table session enable row level security;
alter table session force row level security;
create policy tenant_wall on session
  using (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''))
  with check (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''));

-- Runs. A parent and a session are of the same tenant because the tenant is part of both foreign keys.
-- JSON is kept as text (`json`, not `jsonb`): the order of keys is part of a document and of its digest.
create table run (
  tenant_id text collate "C" not null references tenant (id),
  id uuid not null,
  agent_id text collate "C" not null,
  version text not null,
  spec_digest text not null,
  status text not null
    constraint run_status_is_known check (status in ('running', 'succeeded', 'failed', 'cancelled')),
  inputs json not null,
  output json,
  error json,
  input_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  cost_usd double precision not null default 0,
  model_calls bigint not null default 0,
  tool_calls bigint not null default 0,
  parent_id uuid,
  session_id uuid not null,
  started_by text not null,
  started_at timestamptz not null,
  ended_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, parent_id) references run (tenant_id, id),
  foreign key (tenant_id, session_id) references session (tenant_id, id),
  constraint run_has_an_end_when_it_ended check ((status = 'running') = (ended_at is null))
);

create index run_newest on run (tenant_id, started_at, id);
create index run_newest_of_agent on run (tenant_id, agent_id, started_at, id);

alter table run enable row level security;
alter table run force row level security;
create policy tenant_wall on run
  using (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''))
  with check (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''));

-- The journal of a run: ordered, append-only, without gaps (the program checks continuity inside the appending
-- transaction). `at` and `body` are kept as the text that was written, because `hash` covers them.
create table journal (
  tenant_id text collate "C" not null,
  run_id uuid not null,
  seq bigint not null check (seq >= 0),
  kind text not null,
  at text not null,
  body text not null,
  hash text not null check (length(hash) = 64),
  primary key (tenant_id, run_id, seq),
  foreign key (tenant_id, run_id) references run (tenant_id, id)
);

alter table journal enable row level security;
alter table journal force row level security;
create policy tenant_wall on journal
  using (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''))
  with check (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''));

create trigger journal_is_append_only before update on journal
  for each row execute function refuse_update();
