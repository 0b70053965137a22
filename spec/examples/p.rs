fn main() {
    println!("{}", aikit_spec::schema::agent_schema_json());
}
