-- Versions of agents. `version` is ordered by the program, never by the database: as text 1.10.0 sorts before 1.9.0.
create table spec (
  tenant_id text not null references tenant (id),
  agent_id text not null,
  version text not null,
  name text not null,
  description text,
  status text not null constraint spec_status_is_known check (status in ('draft', 'active', 'deprecated')),
  source text not null,
  digest text not null check (length(digest) = 64),
  created_by text not null,
  created_at text not null,
  updated_at text not null,
  primary key (tenant_id, agent_id, version)
) strict;

-- At most one version of an agent runs by default.
create unique index spec_one_active on spec (tenant_id, agent_id) where status = 'active';

-- What happened to the versions. No foreign key on purpose: the history outlives what it speaks of.
-- `source` is the text after the change where the change set it, so that a run of a replaced draft can be understood.
create table spec_history (
  tenant_id text not null,
  agent_id text not null,
  seq integer not null check (seq >= 1),
  version text not null,
  change text not null
    constraint spec_change_is_known check (change in ('created', 'updated', 'promoted', 'deprecated', 'deleted')),
  digest text not null,
  source text,
  actor text not null,
  at text not null,
  primary key (tenant_id, agent_id, seq)
) strict;

create trigger spec_history_is_append_only before update on spec_history
begin
  select raise(abort, 'the history of specifications is append-only');
end;
