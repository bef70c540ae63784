//! Our own PostgreSQL cluster on a free loopback port, with passwords (SCRAM) and durable writes.
//!
//! A database has two roles: the owner makes tables (migrations), the runtime role only uses what is granted to
//! the group `iidi_service`. Nobody but these two may connect.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::exec;
use crate::files::secret;
use crate::layout::Layout;
use crate::process::{Launch, ProcessRecord, launch};

mod cluster;

pub(crate) use cluster::remove as remove_data;

/// Name of the process and of its port.
pub(crate) const NAME: &str = "postgres";
/// The group whose members are the runtime roles; migrations grant to it.
const GROUP: &str = "iidi_service";
const START_LIMIT: Duration = Duration::from_mins(1);

/// A running PostgreSQL server.
#[derive(Debug, Clone)]
pub struct Postgres {
    layout: Layout,
    programs: PathBuf,
    port: u16,
}

/// How to reach a database. The URLs hold passwords: never log them.
#[derive(Clone)]
pub struct DatabaseUrls {
    /// As the owner, who makes and changes tables.
    pub owner_url: String,
    /// As the runtime role, which only uses what migrations grant to `iidi_service`.
    pub runtime_url: String,
}

impl std::fmt::Debug for DatabaseUrls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DatabaseUrls(…)")
    }
}

impl Postgres {
    /// Starts the server unless it runs. The flag says whether it had to.
    pub(crate) async fn up(layout: &Layout) -> Result<(Self, bool)> {
        if ProcessRecord::running(layout, NAME).is_some() {
            let server = Self::attach(layout)?;
            server.wait_until_ready().await?; // the command that started it may have been interrupted
            return Ok((server, false));
        }
        let data = cluster::ensure(layout).await?;
        let port = layout.port_to_listen(NAME)?;
        let server = Self { layout: layout.clone(), programs: cluster::programs(&data)?, port };
        let mut command = exec::clean_command(&server.programs.join("postgres"));
        command.arg("-D").arg(&data).args(["-c", &format!("port={port}")]);
        cluster::as_its_user(&mut command, &data)?;
        let name = NAME.to_owned();
        launch(layout, Launch { name, command, port, stage: 2, stop_signal: "INT" })?; // INT: fast, in good order
        server.wait_until_ready().await?;
        server.sql("postgres", "REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;").await?;
        Ok((server, true))
    }

    /// The running server of a stack.
    pub(crate) fn attach(layout: &Layout) -> Result<Self> {
        let record = ProcessRecord::running(layout, NAME);
        ensure!(record.is_some(), "PostgreSQL of {} does not run", layout.root().display());
        let file = layout.read()?;
        let data = file.postgres_data.unwrap_or_default();
        let port = file.ports.get(NAME).copied().unwrap_or_default();
        Ok(Self { layout: layout.clone(), programs: cluster::programs(&data)?, port })
    }

    /// Port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes a database with its owner (`<name>_owner`) and its runtime role (`<name>`), or completes it if a part
    /// is there already. Cheap enough for one database per test.
    ///
    /// # Errors
    /// When the name is not lower-case letters, digits and underscores (at most 50), or the server refuses.
    pub async fn create_database(&self, name: &str) -> Result<DatabaseUrls> {
        self.create(name, true).await
    }

    /// Like [`Self::create_database`] without the runtime role, for a program that makes its own tables.
    pub(crate) async fn create_owned_database(&self, name: &str) -> Result<DatabaseUrls> {
        self.create(name, false).await
    }

    async fn create(&self, name: &str, with_runtime_role: bool) -> Result<DatabaseUrls> {
        check_name(name)?;
        let urls = self.urls(name)?;
        let (owner, owner_password) = (format!("{name}_owner"), self.password(&format!("{name}_owner"))?);
        let password = self.password(name)?;
        let mut sql = vec![
            role(GROUP, "NOLOGIN", None),
            role(&owner, &format!("LOGIN PASSWORD '{owner_password}'"), None),
            format!("SELECT 'CREATE DATABASE {name} OWNER {owner}'"),
            format!("  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') \\gexec"),
            format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC;"),
        ];
        if with_runtime_role {
            sql.push(role(name, &format!("LOGIN PASSWORD '{password}'"), Some(GROUP)));
            sql.push(format!("GRANT CONNECT ON DATABASE {name} TO {name};"));
        }
        sql.extend([
            format!("\\connect {name}"),
            format!("ALTER SCHEMA public OWNER TO {owner};"),
            "REVOKE ALL ON SCHEMA public FROM PUBLIC;".to_owned(),
            format!("GRANT USAGE ON SCHEMA public TO {GROUP};"),
            format!("ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public"),
            format!("  GRANT USAGE ON SEQUENCES TO {GROUP};"),
        ]);
        self.sql("postgres", &sql.join("\n")).await?;
        Ok(urls)
    }

    /// URLs of a database that was made earlier.
    ///
    /// # Errors
    /// When the password files cannot be read.
    pub fn urls(&self, name: &str) -> Result<DatabaseUrls> {
        let owner = format!("{name}_owner");
        let url = |role: &str, password: String| {
            format!("postgres://{role}:{password}@127.0.0.1:{}/{name}?sslmode=disable", self.port)
        };
        Ok(DatabaseUrls {
            owner_url: url(&owner, self.password(&owner)?),
            runtime_url: url(name, self.password(name)?),
        })
    }

    /// Removes a database and its roles, also when somebody is still connected.
    ///
    /// # Errors
    /// When the name is not allowed, or the server refuses.
    pub async fn drop_database(&self, name: &str) -> Result<()> {
        check_name(name)?;
        let sql = format!(
            "DROP DATABASE IF EXISTS {name} WITH (FORCE);
             DROP ROLE IF EXISTS {name};
             DROP ROLE IF EXISTS {name}_owner;\n"
        );
        self.sql("postgres", &sql).await?;
        for role in [name.to_owned(), format!("{name}_owner")] {
            std::fs::remove_file(self.layout.secret(&format!("postgres/{role}"))).ok(); // absent is as good
        }
        Ok(())
    }

    /// Runs SQL as the superuser, through the server's own client, and returns what it printed, a row a line.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let mut client = exec::clean_command(&self.programs.join("psql"));
        client.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres"]);
        client.args(["-p", &self.port.to_string(), "-d", database, "-f", "-"]);
        client.env("PGPASSWORD", self.password("postgres")?);
        client.env("PGOPTIONS", "-c client_min_messages=warning");
        exec::run(&mut client, sql).await
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let record =
            ProcessRecord::find(&self.layout, NAME).unwrap_or_else(|| unreachable_record(&self.layout));
        record.ready(START_LIMIT, async || self.sql("postgres", "SELECT 1;").await.is_ok()).await
    }

    fn password(&self, role: &str) -> Result<String> {
        password(&self.layout, role)
    }
}

/// The password of a role, drawn on first use.
fn password(layout: &Layout, role: &str) -> Result<String> {
    secret(&layout.secret(&format!("postgres/{role}")))
}

/// SQL that makes a role unless it is there. Two callers at once may both try: the loser sees the winner's.
fn role(name: &str, attributes: &str, member_of: Option<&str>) -> String {
    let membership = member_of.map(|group| format!(" IN ROLE {group}")).unwrap_or_default();
    format!(
        "DO $$ BEGIN
           IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN
             CREATE ROLE {name} {attributes}{membership};
           END IF;
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
         END $$;"
    )
}

fn check_name(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let is_name =
        name.len() <= 50 && name.bytes().all(allowed) && name.starts_with(|c: char| c.is_ascii_lowercase());
    ensure!(is_name && name != "postgres", "{name:?} is no name for a database");
    Ok(())
}

fn unreachable_record(layout: &Layout) -> ProcessRecord {
    let log = layout.log(NAME);
    ProcessRecord {
        name: NAME.into(),
        pid: 0,
        start_ticks: 0,
        port: 0,
        log,
        stage: 2,
        stop_signal: "INT".into(),
    }
}
