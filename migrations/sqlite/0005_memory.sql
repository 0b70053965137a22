-- How far the lists of a space have come. A space belongs to an owner (a session, a user, an agent, or the tenant), whom the
-- store fills in from its scope.
create table memory_space (
  tenant_id text not null references tenant (id),
  owner text not null,
  namespace text not null,
  part text not null,
  last_id integer not null,
  removed integer not null,
  primary key (tenant_id, owner, namespace, part)
) strict;

-- What happened. A vector is a row of little-endian 32-bit floats, and `model` the model that gave it.
create table memory_episode (
  tenant_id text not null references tenant (id),
  owner text not null,
  namespace text not null,
  id integer not null,
  text text not null,
  metadata text not null,
  model text,
  vector blob,
  created_by text not null,
  created_at text not null,
  expires_at text,
  primary key (tenant_id, owner, namespace, id)
) strict;

create index memory_episode_by_expiry on memory_episode (tenant_id, owner, namespace, expires_at);

-- What is known. Nothing is overwritten: `valid_*` say when it holds, the others when it was known.
create table memory_fact (
  tenant_id text not null references tenant (id),
  owner text not null,
  namespace text not null,
  id integer not null,
  subject text not null,
  relation text not null,
  object text not null,
  valid_from text not null,
  valid_to text,
  recorded_by text not null,
  recorded_at text not null,
  superseded_at text,
  primary key (tenant_id, owner, namespace, id)
) strict;

-- What has worked.
create table memory_procedure (
  tenant_id text not null references tenant (id),
  owner text not null,
  namespace text not null,
  id integer not null,
  task text not null,
  steps text not null,
  status text not null check (status in ('suggested', 'active')),
  created_by text not null,
  created_at text not null,
  primary key (tenant_id, owner, namespace, id)
) strict;

-- Texts that are always in the context.
create table memory_block (
  tenant_id text not null references tenant (id),
  owner text not null,
  namespace text not null,
  label text not null,
  value text not null,
  updated_by text not null,
  updated_at text not null,
  primary key (tenant_id, owner, namespace, label)
) strict;

-- Documents whose passages are searched, and what each was when it was read.
create table memory_document (
  tenant_id text not null references tenant (id),
  owner text not null,
  namespace text not null,
  source text not null,
  digest text not null,
  read_at text not null,
  primary key (tenant_id, owner, namespace, source)
) strict;

-- Passages of documents; `first_byte` and `last_byte` are their place.
create table memory_passage (
  tenant_id text not null references tenant (id),
  owner text not null,
  namespace text not null,
  id integer not null,
  source text not null,
  text text not null,
  headings text not null,
  first_byte integer not null,
  last_byte integer not null,
  model text,
  vector blob,
  primary key (tenant_id, owner, namespace, id),
  foreign key (tenant_id, owner, namespace, source)
    references memory_document (tenant_id, owner, namespace, source) on delete cascade
) strict;

create index memory_passage_by_source on memory_passage (tenant_id, owner, namespace, source);

-- Turns of conversations.
create table memory_turn (
  tenant_id text not null references tenant (id),
  owner text not null,
  namespace text not null,
  id integer not null,
  turn text not null,
  created_at text not null,
  primary key (tenant_id, owner, namespace, id)
) strict;
