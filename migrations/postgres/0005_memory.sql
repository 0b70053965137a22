-- How far the lists of a space have come. A space belongs to an owner (a session, a user, an agent, or the tenant), whom the
-- store fills in from its scope.
create table memory_space (
  tenant_id text collate "C" not null references tenant (id),
  owner text collate "C" not null,
  namespace text collate "C" not null,
  part text collate "C" not null,
  last_id bigint not null,
  removed bigint not null,
  primary key (tenant_id, owner, namespace, part)
);

alter table memory_space enable row level security;
alter table memory_space force row level security;
create policy tenant_wall on memory_space
  using (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''))
  with check (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''));

-- What happened. A vector is a row of little-endian 32-bit floats, and `model` the model that gave it.
create table memory_episode (
  tenant_id text collate "C" not null references tenant (id),
  owner text collate "C" not null,
  namespace text collate "C" not null,
  id bigint not null,
  text text not null,
  metadata json not null,
  model text,
  vector bytea,
  created_by text not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  primary key (tenant_id, owner, namespace, id)
);

create index memory_episode_by_expiry on memory_episode (tenant_id, owner, namespace, expires_at);

alter table memory_episode enable row level security;
alter table memory_episode force row level security;
create policy tenant_wall on memory_episode
  using (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''))
  with check (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''));

-- What is known. Nothing is overwritten: `valid_*` say when it holds, the others when it was known.
create table memory_fact (
  tenant_id text collate "C" not null references tenant (id),
  owner text collate "C" not null,
  namespace text collate "C" not null,
  id bigint not null,
  subject text not null,
  relation text not null,
  object text not null,
  valid_from timestamptz not null,
  valid_to timestamptz,
  recorded_by text not null,
  recorded_at timestamptz not null,
  superseded_at timestamptz,
  primary key (tenant_id, owner, namespace, id)
);

alter table memory_fact enable row level security;
alter table memory_fact force row level security;
create policy tenant_wall on memory_fact
  using (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''))
  with check (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''));

-- What has worked.
create table memory_procedure (
  tenant_id text collate "C" not null references tenant (id),
  owner text collate "C" not null,
  namespace text collate "C" not null,
  id bigint not null,
  task text not null,
  steps json not null,
  status text not null check (status in ('suggested', 'active')),
  created_by text not null,
  created_at timestamptz not null,
  primary key (tenant_id, owner, namespace, id)
);

alter table memory_procedure enable row level security;
alter table memory_procedure force row level security;
create policy tenant_wall on memory_procedure
  using (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''))
  with check (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''));

-- Texts that are always in the context.
create table memory_block (
  tenant_id text collate "C" not null references tenant (id),
  owner text collate "C" not null,
  namespace text collate "C" not null,
  label text collate "C" not null,
  value text not null,
  updated_by text not null,
  updated_at timestamptz not null,
  primary key (tenant_id, owner, namespace, label)
);

alter table memory_block enable row level security;
alter table memory_block force row level security;
create policy tenant_wall on memory_block
  using (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''))
  with check (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''));

-- Documents whose passages are searched, and what each was when it was read.
create table memory_document (
  tenant_id text collate "C" not null references tenant (id),
  owner text collate "C" not null,
  namespace text collate "C" not null,
  source text collate "C" not null,
  digest text not null,
  read_at timestamptz not null,
  primary key (tenant_id, owner, namespace, source)
);

alter table memory_document enable row level security;
alter table memory_document force row level security;
create policy tenant_wall on memory_document
  using (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''))
  with check (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''));

-- Passages of documents; `first_byte` and `last_byte` are their place.
create table memory_passage (
  tenant_id text collate "C" not null references tenant (id),
  owner text collate "C" not null,
  namespace text collate "C" not null,
  id bigint not null,
  source text collate "C" not null,
  text text not null,
  headings json not null,
  first_byte bigint not null,
  last_byte bigint not null,
  model text,
  vector bytea,
  primary key (tenant_id, owner, namespace, id),
  foreign key (tenant_id, owner, namespace, source)
    references memory_document (tenant_id, owner, namespace, source) on delete cascade
);

create index memory_passage_by_source on memory_passage (tenant_id, owner, namespace, source);

alter table memory_passage enable row level security;
alter table memory_passage force row level security;
create policy tenant_wall on memory_passage
  using (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''))
  with check (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''));

-- Turns of conversations.
create table memory_turn (
  tenant_id text collate "C" not null references tenant (id),
  owner text collate "C" not null,
  namespace text collate "C" not null,
  id bigint not null,
  turn json not null,
  created_at timestamptz not null,
  primary key (tenant_id, owner, namespace, id)
);

alter table memory_turn enable row level security;
alter table memory_turn force row level security;
create policy tenant_wall on memory_turn
  using (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''))
  with check (tenant_id = nullif(current_setting('aikit.current_tenant_id', true), ''));
