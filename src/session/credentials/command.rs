//! A key that a command prints, such as the client of a password manager or a secret store.
//!
//! The command runs in a process group of its own, so that it can be ended together with what it
//! started. Its output is read on a thread of its own, because reading from a pipe has no time
//! limit. The output is never shown, logged or put into an error.
//!
//! | what the command does | what the caller gets | what is left of it |
//! | --- | --- | --- |
//! | cannot be started | an error with the program's name and the system's reason | nothing |
//! | ends with another status than 0 | an error with the status | its children, if it left any |
//! | runs longer than the time limit | an error with the limit | on Unix nothing: its process group is killed |
//! | prints more than 64 KiB while it runs | an error | on Unix nothing: its process group is killed |
//! | prints neither form, or an id or a key with white space or other characters than printable ASCII | an error that quotes nothing | its children, if it left any |
//! | leaves a process behind that holds the pipe | what was printed so far, 200 ms after the last piece | that process |
//! | leaves a process behind that prints without end | an error: more than 64 KiB, or neither form at the time limit | that process, whose pipe is closed |
//!
//! The process group is killed only while the command has not been waited for. After that, the system
//! may have given its id to processes that have nothing to do with it.

use std::fmt;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use crate::control::clock::Clock;
use crate::model::realm::Realm;
use crate::model::secret::ApplicationKey;
use crate::session::credentials::{CredentialError, CredentialProvider, Credentials};

/// The largest output that is read, in bytes. A longer one is an error.
const LONGEST_OUTPUT: u64 = 64 * 1024;
/// The pause between two looks whether the command has ended.
const POLL: Duration = Duration::from_millis(5);
/// How long to wait for more output after the command has ended. A process that it left behind may
/// hold the pipe open as long as it lives.
const LINGER: Duration = Duration::from_millis(200);

/// A piece of the output, or the failure that ended it.
type Piece = std::io::Result<Vec<u8>>;

/// A credential provider that runs a command, such as the client of a secret store, and reads the
/// key from its output. The command runs each time the key is needed: when the program authorizes,
/// and when a token has expired.
///
/// The output is either a JSON object, `{"applicationKeyId": "..", "applicationKey": ".."}`, with
/// an optional `"realm"` and any other members, so that the answer to `b2_create_key` works; or it
/// is two lines, the key id and the key. The command must end with status 0 within the time limit
/// (30 s by default), or it is killed, on Unix together with the processes that it started. A
/// process that it leaves behind in the background is not waited for. It runs without a shell, so
/// arguments reach it unchanged, and it cannot ask anything at the terminal. Its standard input is
/// empty, its standard error is discarded, and its output is never shown or logged.
///
/// ```no_run
/// use std::time::Duration;
/// use b2sdk::credentials::CommandCredentials;
/// use b2sdk::{B2Api, InMemoryAccountInfo};
///
/// let vault = CommandCredentials::new("vault")
///     .args(["kv", "get", "-format=json", "-field=data", "secret/b2"])
///     .time_limit(Duration::from_secs(10));
/// let b2_api = B2Api::new(InMemoryAccountInfo::new());
/// b2_api.authorize_with(vault)?;
/// # Ok::<_, b2sdk::Error>(())
/// ```
#[derive(Clone)]
pub struct CommandCredentials {
    /// The program and its arguments, which run without a shell.
    program: String,
    /// The arguments, unchanged. They may contain secrets, so `Debug` leaves them out.
    args: Vec<String>,
    /// The realm of a key whose output names none.
    realm: Realm,
    /// How long the command may run.
    time_limit: Duration,
}

impl CommandCredentials {
    /// Creates a provider that runs this program, which is searched in `PATH` unless it is a path.
    #[must_use]
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            realm: Realm::production(),
            time_limit: Duration::from_secs(30),
        }
    }

    /// Sets the arguments of the command, in place of earlier ones.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use b2sdk::credentials::{CommandCredentials, CredentialProvider};
    ///
    /// let command = CommandCredentials::new("printf").args(["%s\\n%s\\n", "key-id", "secret"]);
    /// let credentials = command.credentials()?;
    /// assert_eq!(credentials.application_key_id.as_str(), "key-id");
    /// # }
    /// # Ok::<_, b2sdk::credentials::CredentialError>(())
    /// ```
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args = args.into_iter().map(A::into).collect();
        self
    }

    /// Sets the realm to use if the output does not name one. The default is `production`.
    #[must_use]
    pub fn realm(mut self, realm: impl Into<Realm>) -> Self {
        self.realm = realm.into();
        self
    }

    /// Sets how long the command may run before it is killed. The default is 30 seconds.
    #[must_use]
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Runs the command once and returns what it printed. The command is ended on every failure.
    fn run(&self) -> Result<Vec<u8>, CredentialError> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // A group of its own, which can be ended as a whole.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}", self.program))?;
        // The account's clock may be a test's; a command takes real time.
        let clock = Clock::default();
        let deadline = clock.elapsed().saturating_add(self.time_limit);
        let mut output = Vec::new();
        let begun = read(&mut child).and_then(|pieces| {
            let status = self.wait(&mut child, &clock, deadline, &pieces, &mut output)?;
            Ok((pieces, status))
        });
        if begun.is_err() {
            end(&mut child);
        }
        let (pieces, status) = begun?;
        // Everything that the command wrote is in the pipe by now. What it left running may write on.
        let until = deadline.max(clock.elapsed().saturating_add(LINGER));
        while clock.elapsed() < until
            && let Ok(piece) = pieces.recv_timeout(LINGER)
        {
            self.take([piece], &mut output)?;
        }
        if !status.success() {
            return Err(format!("{} failed ({status})", self.program).into());
        }
        Ok(output)
    }

    /// Waits until the command ends, and collects its output. Fails if the deadline passes or the
    /// output is too long; the command has not been waited for then, and may still run.
    fn wait(
        &self,
        child: &mut Child,
        clock: &Clock,
        deadline: Duration,
        pieces: &Receiver<Piece>,
        output: &mut Vec<u8>,
    ) -> Result<ExitStatus, CredentialError> {
        loop {
            self.take(pieces.try_iter(), output)?;
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if clock.elapsed() > deadline {
                let (program, seconds) = (&self.program, self.time_limit.as_secs_f32());
                return Err(format!("{program} did not end within {seconds} s").into());
            }
            clock.sleep(POLL, None);
        }
    }

    /// Adds pieces to the output, up to its limit.
    fn take(
        &self,
        pieces: impl IntoIterator<Item = Piece>,
        output: &mut Vec<u8>,
    ) -> Result<(), CredentialError> {
        for piece in pieces {
            output.extend(piece?);
            if output.len() as u64 > LONGEST_OUTPUT {
                return Err(format!("{} printed too much", self.program).into());
            }
        }
        Ok(())
    }
}

/// Kills the command and the processes that it started, and waits for it. It may have ended by
/// itself, but must not have been waited for yet, so that its id is still its own.
fn end(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    {
        let _ended = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _killed = child.kill();
    let _ended = child.wait();
}

/// Starts the thread that reads the output. The thread ends with the output, or when nobody
/// receives its pieces any more.
fn read(child: &mut Child) -> Result<Receiver<Piece>, CredentialError> {
    let mut output = child.stdout.take().ok_or("its output cannot be read")?;
    let (sender, receiver) = sync_channel(16);
    thread::Builder::new().spawn(move || {
        let mut buffer = vec![0; 4096];
        loop {
            let piece = match output.read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => Ok(buffer.get(..read).unwrap_or_default().to_vec()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let is_last = piece.is_err();
            // Nobody receives pieces after the time limit.
            if sender.send(piece).is_err() || is_last {
                return;
            }
        }
    })?;
    Ok(receiver)
}

impl CredentialProvider for CommandCredentials {
    fn credentials(&self) -> Result<Credentials, CredentialError> {
        let output = self.run()?;
        let credentials = parse(&output, &self.realm);
        credentials.ok_or_else(|| {
            let program = &self.program;
            format!("{program} printed neither the JSON object nor the two lines that are expected")
                .into()
        })
    }
}

impl fmt::Debug for CommandCredentials {
    /// Leaves the arguments out, because they may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandCredentials")
            .field("program", &self.program)
            .field("time_limit", &self.time_limit)
            .finish_non_exhaustive()
    }
}

/// The JSON object that a command may print.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    application_key_id: String,
    application_key: ApplicationKey,
    #[serde(default)]
    realm: Option<String>,
}

/// Reads a key from the output, in either form. Returns no reason on failure, because the text may
/// be a secret.
///
/// Bytes that are not UTF-8, an id with a colon, and a text of one line are no credentials.
fn parse(output: &[u8], realm: &Realm) -> Option<Credentials> {
    let text = std::str::from_utf8(output).ok()?.trim();
    let credentials = if text.starts_with('{') {
        let printed: Printed = serde_json::from_str(text).ok()?;
        let realm = printed.realm.map_or_else(|| realm.clone(), Realm::from);
        Credentials::new(printed.application_key_id, printed.application_key).realm(realm)
    } else {
        let (id, key) = text.split_once('\n')?;
        Credentials::new(id.trim(), key.trim()).realm(realm.clone())
    };
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let id = credentials.application_key_id.as_str();
    // A colon would end the id in the Authorization header.
    let is_sound =
        is_word(id) && !id.contains(':') && is_word(credentials.application_key.expose());
    is_sound.then_some(credentials)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::model::realm::Realm;
    use crate::session::credentials::Credentials;

    #[test]
    fn the_output_is_a_json_object_or_two_lines_and_nothing_else() {
        let realm = Realm::production();
        let plain = Some(Credentials::new("id", "k/ey+"));
        let elsewhere = Some(Credentials::new("id", "k/ey+").realm("http://localhost"));
        for (output, read) in [
            ("id\nk/ey+", &plain),
            ("id\r\nk/ey+\r\n\n", &plain),
            (
                r#" {"applicationKeyId":"id","applicationKey":"k/ey+"} "#,
                &plain,
            ),
            (
                r#"{"applicationKeyId":"id","applicationKey":"k/ey+","keyName":"x","realm":null}"#,
                &plain,
            ),
            (
                r#"{"applicationKeyId":"id","applicationKey":"k/ey+","realm":"http://localhost"}"#,
                &elsewhere,
            ),
            ("", &None),
            ("id", &None),
            ("id\n", &None),
            ("\nk/ey+", &None),
            ("id\nk/ey+\nmore", &None),
            ("i d\nk/ey+", &None),
            ("i:d\nk/ey+", &None),
            (r#"{"applicationKeyId":"id"}"#, &None),
            (r#"{"applicationKeyId":"id","applicationKey":""}"#, &None),
            (r#"["id","k/ey+"]"#, &None),
        ] {
            assert_eq!(parse(output.as_bytes(), &realm), *read, "{output}");
        }
        assert_eq!(parse(b"id\n\xff", &realm), None);
    }
}
