-- A tenant is the wall that no query, run or script crosses. Every other table begins its key with `tenant_id`.
-- The wall is set per transaction with set_config('aikit.current_tenant_id', …, true). Afterwards the setting is the empty
-- text and not null, hence nullif; the setting is compared as text, so that the column's index stays usable.
-- FORCE binds the owner of the tables as well.
create table tenant (
  id text collate "C" not null primary key
    constraint tenant_id_is_a_slug check (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  name text not null,
  plan text not null,
  config json not null,
  created_at timestamptz not null
);

alter table tenant enable row level security;
alter table tenant force row level security;
create policy tenant_wall on tenant
  using (id = nullif(current_setting('aikit.current_tenant_id', true), ''))
  with check (id = nullif(current_setting('aikit.current_tenant_id', true), ''));
