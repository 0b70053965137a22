-- What runs told the tenant's others. `number` counts them per tenant.
create table event (
  tenant_id text collate "C" not null references tenant (id),
  number bigint not null check (number >= 1),
  name text collate "C" not null,
  payload json not null,
  run_id uuid not null,
  at timestamptz not null,
  primary key (tenant_id, number)
);

create index event_by_name on event (tenant_id, name, number);

alter table event enable row level security;
alter table event force row level security;
create policy tenant_wall on event
  using (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''))
  with check (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''));

-- What a tenant has used of its quotas, by window of time. `started` is in seconds since 1970.
create table quota (
  tenant_id text collate "C" not null references tenant (id),
  key text collate "C" not null,
  started bigint not null,
  used double precision not null,
  primary key (tenant_id, key, started)
);

alter table quota enable row level security;
alter table quota force row level security;
create policy tenant_wall on quota
  using (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''))
  with check (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''));
