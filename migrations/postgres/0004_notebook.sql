-- Key-value space of a tenant (`ctx.storage`). Keys compare by code point, as on SQLite.
create table kv (
  tenant_id text collate "C" not null references tenant (id),
  key text collate "C" not null,
  value json not null,
  updated_by text not null,
  updated_at timestamptz not null,
  primary key (tenant_id, key)
);

alter table kv enable row level security;
alter table kv force row level security;
create policy tenant_wall on kv
  using (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''))
  with check (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''));

-- Executed inputs. A user sees their own, over all of their sessions.
create table history (
  tenant_id text collate "C" not null,
  session_id uuid not null,
  line bigint not null,
  input text not null,
  output text,
  at timestamptz not null,
  primary key (tenant_id, session_id, line),
  foreign key (tenant_id, session_id) references session (tenant_id, id)
);

alter table history enable row level security;
alter table history force row level security;
create policy tenant_wall on history
  using (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''))
  with check (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''));
