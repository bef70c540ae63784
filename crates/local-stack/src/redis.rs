//! Our own Redis on a free loopback port: append-only file, never evicting, one user per province that reaches its
//! own keys only. The default user is off.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::exec;
use crate::files::{secret, write_private};
use crate::layout::{Layout, lower_code};
use crate::process::{Launch, ProcessRecord, launch};

/// Name of the process and of its port.
pub(crate) const NAME: &str = "redis";
const START_LIMIT: Duration = Duration::from_secs(30);

/// What a province's queue does, and nothing else.
const WORKER_COMMANDS: &str = "-@all +xreadgroup +xack +xdel +xautoclaim +xclaim +xpending +xadd +xlen \
     +xinfo|groups +xinfo|stream +xgroup|create +zadd +zrangebyscore +zrem +hset +hget +hgetall +set +evalsha \
     +script|load +multi +exec +ping +wait +time +client|setname";

/// A running Redis server.
#[derive(Debug, Clone)]
pub struct Redis {
    layout: Layout,
    port: u16,
}

impl Redis {
    /// Starts the server unless it runs, with users for these provinces. The flag says whether it had to start.
    pub(crate) async fn up(layout: &Layout, provinces: &[String]) -> Result<(Self, bool)> {
        let program = exec::program("redis-server")?;
        write_private(
            &layout.root().join("redis/users.acl"),
            users(layout, provinces, &program).await?.as_bytes(),
        )?;
        if ProcessRecord::running(layout, NAME).is_some() {
            let server = Self::attach(layout)?;
            server.wait_until_ready().await?;
            server.admin("ACL LOAD").await?; // a province may have joined
            return Ok((server, false));
        }
        let port = layout.port_to_listen(NAME)?;
        let home = layout.root().join("redis");
        write_private(&home.join("redis.conf"), settings(&home, port).as_bytes())?;
        let mut command = exec::clean_command(&program);
        command.arg(home.join("redis.conf")).current_dir(&home);
        launch(layout, Launch { name: NAME.to_owned(), command, port, stage: 2, stop_signal: "TERM" })?;
        let server = Self { layout: layout.clone(), port };
        server.wait_until_ready().await?;
        Ok((server, true))
    }

    /// The running server of a stack.
    pub(crate) fn attach(layout: &Layout) -> Result<Self> {
        let record = ProcessRecord::running(layout, NAME);
        let record = record.with_context(|| format!("Redis of {} does not run", layout.root().display()))?;
        Ok(Self { layout: layout.clone(), port: record.port })
    }

    /// Port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// URL of a province's queue user. It holds a password: never log it.
    ///
    /// # Errors
    /// When the code is none, or the password file cannot be read.
    pub fn url(&self, province: &str) -> Result<String> {
        let user = format!("{}_outbound", lower_code(province)?);
        self.url_of(&user)
    }

    /// URL of the user who may do everything; for tests (`FLUSHALL`). It holds a password: never log it.
    ///
    /// # Errors
    /// When the password file cannot be read.
    pub fn admin_url(&self) -> Result<String> {
        self.url_of("admin")
    }

    fn url_of(&self, user: &str) -> Result<String> {
        Ok(format!("redis://{user}:{}@127.0.0.1:{}/0", password(&self.layout, user)?, self.port))
    }

    /// Sends one command as the administrator and returns the raw answer; an error answer is an error.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn admin(&self, command: &str) -> Result<String> {
        self.command_as("admin", &password(&self.layout, "admin")?, command).await
    }

    /// Sends one command as the queue user of a province; the answer as the server wrote it.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn command(&self, province: &str, command: &str) -> Result<String> {
        let user = format!("{}_outbound", lower_code(province)?);
        self.command_as(&user, &password(&self.layout, &user)?, command).await
    }

    async fn command_as(&self, user: &str, password: &str, command: &str) -> Result<String> {
        let answers =
            converse(self.port, &format!("AUTH {user} {password}\r\n{command}\r\nQUIT\r\n")).await?;
        let rest = answers.strip_prefix("+OK\r\n").with_context(|| format!("Redis refuses user {user}"))?;
        ensure!(!rest.starts_with('-'), "Redis refuses: {}", rest.trim_end());
        Ok(rest.trim_end_matches("+OK\r\n").to_owned())
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let record = ProcessRecord::find(&self.layout, NAME).context("Redis is not recorded")?;
        record.ready(START_LIMIT, async || self.admin("PING").await.is_ok()).await
    }
}

/// Sends inline commands and reads until the server closes.
async fn converse(port: u16, commands: &str) -> Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(commands.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = tokio::time::timeout(Duration::from_secs(5), exchange).await;
    answer.context("Redis does not answer within 5 s")?.context("talking to Redis")
}

fn settings(home: &Path, port: u16) -> String {
    format!(
        "bind 127.0.0.1\nport {port}\ndaemonize no\nset-proc-title no\ndir {home}\naclfile {home}/users.acl\n\
         appendonly yes\nappendfsync everysec\nsave \"\"\nmaxmemory 256mb\nmaxmemory-policy noeviction\n",
        home = home.display()
    )
}

/// The users' file: the keys of Ontario's queue begin with `{on:tx:`.
async fn users(layout: &Layout, provinces: &[String], program: &Path) -> Result<String> {
    let newer = if version(program).await? >= (7, 2) { "+client|setinfo +waitaof" } else { "" };
    let mut lines = vec![
        "user default off".to_owned(),
        format!("user admin on >{} ~* &* +@all", password(layout, "admin")?),
    ];
    for province in provinces {
        let code = lower_code(province)?;
        let user = format!("{code}_outbound");
        let password = password(layout, &user)?;
        let keys = format!("resetchannels ~{{{code}:tx:*");
        lines.push(format!("user {user} on >{password} {keys} {WORKER_COMMANDS} {newer}"));
    }
    Ok(lines.join("\n") + "\n")
}

/// Major and minor version: some names in the rules are younger than Redis 7.0, which then refuses the file.
async fn version(program: &Path) -> Result<(u32, u32)> {
    let text = exec::run(exec::clean_command(program).arg("--version"), "").await?;
    let found = text.split("v=").nth(1).and_then(|rest| {
        let mut parts = rest.split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    });
    found.with_context(|| format!("{} does not say its version", program.display()))
}

fn password(layout: &Layout, user: &str) -> Result<String> {
    secret(&layout.secret(&format!("redis/{user}")))
}
