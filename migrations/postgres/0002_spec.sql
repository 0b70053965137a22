-- Versions of agents. `version` is ordered by the program, never by the database: as text 1.10.0 sorts before 1.9.0.
create table spec (
  tenant_id text collate "C" not null references tenant (id),
  agent_id text collate "C" not null,
  version text collate "C" not null,
  name text not null,
  description text,
  status text not null constraint spec_status_is_known check (status in ('draft', 'active', 'deprecated')),
  source text not null,
  digest text not null check (length(digest) = 64),
  created_by text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, agent_id, version)
);

-- At most one version of an agent runs by default.
create unique index spec_one_active on spec (tenant_id, agent_id) where status = 'active';

alter table spec enable row level security;
alter table spec force row level security;
create policy tenant_wall on spec
  using (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''))
  with check (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''));

-- What happened to the versions. No foreign key on purpose: the history outlives what it speaks of.
-- `source` is the text after the change where the change set it, so that a run of a replaced draft can be understood.
create table spec_history (
  tenant_id text collate "C" not null,
  agent_id text collate "C" not null,
  seq bigint not null check (seq >= 1),
  version text not null,
  change text not null
    constraint spec_change_is_known check (change in ('created', 'updated', 'promoted', 'deprecated', 'deleted')),
  digest text not null,
  source text,
  actor text not null,
  at timestamptz not null,
  primary key (tenant_id, agent_id, seq)
);

alter table spec_history enable row level security;
alter table spec_history force row level security;
create policy tenant_wall on spec_history
  using (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''))
  with check (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''));

create function refuse_update() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name;
end
$$;

create trigger spec_history_is_append_only before update on spec_history
  for each row execute function refuse_update();
