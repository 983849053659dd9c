//! The thread that keeps the connections to a PostgreSQL server.
//!
//! A connection serves one request at a time and goes back to the idle ones after an answer, also a
//! refusal. After anything else it is dropped. Idle connections are closed after a minute, because each
//! costs the server a process.
//!
//! The server, or a proxy before it, may have closed an idle connection. That says nothing about
//! the server. So a request that fails on one is sent once more on a new connection if it may be
//! repeated; one that may not is sent only on a connection that was in use a moment ago, or that
//! has just answered an empty statement. Only a new connection that fails begins a pause.
//!
//! | what happens to a request | what follows |
//! | --- | --- |
//! | all connections are in use | it waits for one, within its time-out |
//! | there is no idle connection | one is made, within the time-out as well |
//! | the server answers, also with a refusal | the connection goes back to the idle ones |
//! | an idle connection breaks, and the request may be repeated | all idle ones are closed; a new one is made and the request is sent there |
//! | an idle connection breaks, and the request may not be repeated | the failure is returned, as one that begins no pause |
//! | a new connection breaks | the failure is returned |
//! | the time-out passes | the connection and all idle ones are closed; the request may have taken effect. It begins a pause if the connection was a new one |
//! | a table is missing, and `migrate` is set | the tables are created, and the request is sent again |
//! | the caller's process is killed | the server ends the connection, and rolls back what was not committed |
//!
//! Jobs run at the same time on one thread: while one waits for the network, the others go on. So
//! `connections` requests are under way at most, however many threads of the program ask.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinHandle, LocalSet};
use tokio_postgres::{Client, Config, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::Failure;
use super::request::{Repeat, Request, Statement};
use super::schema;
use crate::account_info::fleet::{Password, RECENTLY};
use crate::control::clock::Clock;

/// How long idle connections are kept.
const IDLE: Duration = Duration::from_secs(60);

/// What a connection is made with.
pub(super) struct Setup {
    /// The driver's settings: addresses, login, time-outs.
    pub(super) config: Config,
    /// What TLS is made with.
    pub(super) tls: MakeRustlsConnect,
    /// The limit of one request.
    pub(super) timeout: Duration,
    /// The largest number of connections.
    pub(super) connections: usize,
    /// Returns the password at each connection.
    pub(super) password: Option<Password>,
    /// Whether missing tables are created.
    pub(super) migrate: bool,
    /// By which connections become idle. Tests move it.
    pub(super) clock: Clock,
}

/// A request and where its outcome goes.
pub(super) struct Job {
    /// What to carry out.
    pub(super) request: Request,
    /// Where the outcome goes. If nobody waits for it any more, it is dropped.
    pub(super) answer: SyncSender<Outcome>,
}

/// The rows of the last statement, or why there are none.
type Outcome = Result<Vec<Row>, Failure>;

/// Starts the thread, which ends when nobody can send a job any more. It has a runtime of its own,
/// and nothing of the driver runs on the caller's thread.
///
/// Fails if the system gives no thread, or the runtime cannot be made.
pub(super) fn start(setup: Arc<Setup>, jobs: UnboundedReceiver<Job>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let thread = std::thread::Builder::new().name("b2sdk-postgres".to_owned());
    thread.spawn(move || {
        let connections = Rc::new(Connections {
            permits: Semaphore::new(setup.connections.max(1)),
            setup,
            idle: RefCell::default(),
        });
        LocalSet::new().block_on(&runtime, serve(connections, jobs));
        // A function that asks for a password may still be running.
        runtime.shutdown_background();
    })?;
    Ok(())
}

/// Answers jobs at the same time, each in a task of its own, until nobody can send one any more.
/// Idle connections are closed after a minute without a job.
async fn serve(connections: Rc<Connections>, mut jobs: UnboundedReceiver<Job>) {
    loop {
        match tokio::time::timeout(IDLE, jobs.recv()).await {
            Err(_) => connections.idle.borrow_mut().clear(),
            Ok(None) => return,
            Ok(Some(Job { request, answer })) => {
                let connections = Rc::clone(&connections);
                tokio::task::spawn_local(async move {
                    let _ = answer.send(connections.answer(&request).await);
                });
            }
        }
    }
}

/// The connections of the thread.
struct Connections {
    /// What connections are made with.
    setup: Arc<Setup>,
    /// As many permits as there may be connections.
    permits: Semaphore,
    /// Connections that no job uses.
    idle: RefCell<Vec<Connection>>,
}

/// One connection, with the task that moves its bytes.
struct Connection {
    /// Sends statements and receives rows.
    client: Client,
    /// Reads and writes the socket.
    task: JoinHandle<()>,
    /// When the server last answered on it, by the clock's `elapsed`.
    answered: Cell<Duration>,
}

/// How far a request has come.
#[derive(Clone, Copy)]
enum Stage {
    /// It waits, because all connections are in use.
    Waiting,
    /// It is on a connection that was idle.
    Idle,
    /// It is on a new connection, or that is being made.
    New,
}

impl Drop for Connection {
    /// Closes it at once, also if an answer is outstanding.
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connections {
    /// Carries out a request within the time-out, waiting for a permit and connecting included.
    async fn answer(&self, request: &Request) -> Outcome {
        let stage = Cell::new(Stage::Waiting);
        let limit = tokio::time::timeout(self.setup.timeout, self.attempt(request, &stage));
        let outcome = limit.await.unwrap_or_else(|_| {
            // Others from before are no better.
            self.idle.borrow_mut().clear();
            Err(Failure::TimedOut)
        });
        outcome.map_err(|failure| match stage.get() {
            Stage::Waiting => Failure::AllInUse,
            Stage::New => failure,
            Stage::Idle if failure.is_of_connection() => {
                self.idle.borrow_mut().clear();
                Failure::Idle(Box::new(failure))
            }
            Stage::Idle => failure,
        })
    }

    /// Carries out a request on an idle connection, and on a new one if there is none or it turned
    /// out to be closed.
    ///
    /// The permit is held until the end, so that it also counts the connection that is being made.
    async fn attempt(&self, request: &Request, stage: &Cell<Stage>) -> Outcome {
        // It is never closed.
        let _permit = self.permits.acquire().await;
        if let Some(connection) = self.take_idle() {
            stage.set(Stage::Idle);
            if request.repeat == Repeat::Yes || self.is_open(&connection).await {
                match self.run(&connection, request).await {
                    Err(failure) if failure.is_of_connection() && request.repeat == Repeat::Yes => {
                    }
                    outcome => return self.finish(connection, outcome),
                }
            }
            self.idle.borrow_mut().clear();
        }
        stage.set(Stage::New);
        let connection = self.connect().await?;
        let outcome = self.run(&connection, request).await;
        self.finish(connection, outcome)
    }

    /// Whether the server certainly has this connection open: it was used recently, or answers an
    /// empty statement.
    async fn is_open(&self, connection: &Connection) -> bool {
        let idle = self.setup.clock.elapsed();
        let idle = idle.saturating_sub(connection.answered.get());
        idle < RECENTLY || connection.client.batch_execute("").await.is_ok()
    }

    /// Keeps the connection if it is still of use.
    fn finish(&self, connection: Connection, outcome: Outcome) -> Outcome {
        if !outcome.as_ref().is_err_and(Failure::is_of_connection) {
            connection.answered.set(self.setup.clock.elapsed());
            self.idle.borrow_mut().push(connection);
        }
        outcome
    }

    /// A connection that no job uses, and that the server has not closed.
    ///
    /// It is the one that was used last.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        idle.retain(|connection| !connection.client.is_closed());
        idle.pop()
    }

    /// Makes a connection, after asking for the password if there is a function for it.
    ///
    /// The function for the password runs on a thread of its own, so it does not hold up the other
    /// requests.
    async fn connect(&self) -> Result<Connection, Failure> {
        let mut config = self.setup.config.clone();
        if let Some(password) = self.setup.password.clone() {
            // It may take its time, and may have a runtime of its own.
            let asked = tokio::task::spawn_blocking(move || password()).await;
            let password = asked.map_err(|_| Failure::Password("it panicked".into()))?;
            config.password(password.map_err(Failure::Password)?);
        }
        let (client, connection) = config.connect(self.setup.tls.clone()).await?;
        let task = tokio::task::spawn_local(async move {
            // Whoever waits for an answer learns of it.
            let _ = connection.await;
        });
        let answered = Cell::new(self.setup.clock.elapsed());
        Ok(Connection {
            client,
            task,
            answered,
        })
    }

    /// Carries out a request. If tables are missing and may be created, it does that and tries
    /// again.
    async fn run(&self, connection: &Connection, request: &Request) -> Outcome {
        let outcome = connection.run(request).await;
        match outcome {
            Err(failure) if self.setup.migrate && failure.is_without_tables() => {
                connection.migrate().await?;
                connection.run(request).await
            }
            outcome => outcome,
        }
    }
}

impl Connection {
    /// One statement is a transaction by itself. Several are put between `BEGIN` and `COMMIT`, and
    /// are rolled back together if one fails.
    async fn run(&self, request: &Request) -> Outcome {
        if let [statement] = &*request.statements {
            return self.statement(statement).await;
        }
        self.client.batch_execute("BEGIN").await?;
        match self.all(&request.statements).await {
            Ok(rows) => {
                self.client.batch_execute("COMMIT").await?;
                Ok(rows)
            }
            Err(failure) => {
                self.client.batch_execute("ROLLBACK").await?;
                Err(failure)
            }
        }
    }

    /// Runs the statements in turn, within the transaction that the caller began.
    async fn all(&self, statements: &[Statement]) -> Outcome {
        let mut rows = Vec::new();
        for statement in statements {
            rows = self.statement(statement).await?;
        }
        Ok(rows)
    }

    /// Runs one statement. A check that finds no row is `Superseded`.
    async fn statement(&self, statement: &Statement) -> Outcome {
        let arguments: Vec<_> = statement
            .arguments
            .iter()
            .map(|argument| argument.typed())
            .collect();
        // Not prepared, so that it works through a pooler; and not `query`, which logs arguments.
        let rows = self.client.query_typed(statement.sql, &arguments).await?;
        if statement.is_check && rows.is_empty() {
            return Err(Failure::Superseded);
        }
        Ok(rows)
    }

    /// Creates the tables that are missing, in one transaction under a lock of the database, so
    /// that of many processes that start at the same time one does it.
    ///
    /// A failure rolls it back and is returned. Tables that exist already are left as they are.
    async fn migrate(&self) -> Result<(), Failure> {
        let sql = format!("BEGIN; {}; {} COMMIT;", schema::LOCK, schema::TABLES);
        let made = self.client.batch_execute(&sql).await;
        if made.is_err() {
            self.client.batch_execute("ROLLBACK").await?;
        }
        Ok(made?)
    }
}
