-- A tenant is the wall that no query, run or script crosses. Every other table begins its key with `tenant_id`.
create table tenant (
  id text not null primary key
    constraint tenant_id_is_a_slug check (length(id) between 1 and 63 and id not glob '*[^a-z0-9-]*' and id not glob '-*'),
  name text not null,
  plan text not null,
  config text not null check (json_valid(config)),
  created_at text not null
) strict;
