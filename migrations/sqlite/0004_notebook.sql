-- Key-value space of a tenant (`ctx.storage`).
create table kv (
  tenant_id text not null references tenant (id),
  key text not null,
  value text not null,
  updated_by text not null,
  updated_at text not null,
  primary key (tenant_id, key)
) strict;

-- Executed inputs. A user sees their own, over all of their sessions.
create table history (
  tenant_id text not null,
  session_id text not null,
  line integer not null,
  input text not null,
  output text,
  at text not null,
  primary key (tenant_id, session_id, line),
  foreign key (tenant_id, session_id) references session (tenant_id, id)
) strict;
