-- What runs told the tenant's others. `number` counts them per tenant.
create table event (
  tenant_id text not null references tenant (id),
  number integer not null check (number >= 1),
  name text not null,
  payload text not null check (json_valid(payload)),
  run_id text not null,
  at text not null,
  primary key (tenant_id, number)
) strict;

create index event_by_name on event (tenant_id, name, number);

-- What a tenant has used of its quotas, by window of time. `started` is in seconds since 1970.
create table quota (
  tenant_id text not null references tenant (id),
  key text not null,
  started integer not null,
  used real not null,
  primary key (tenant_id, key, started)
) strict;
